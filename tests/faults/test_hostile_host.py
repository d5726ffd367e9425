"""A worker whose host is slow, stops in the middle, or talks nonsense: it answers what it can, and ends."""

import contextlib
import json
import random
import socket
import struct
import subprocess
import sys

import pytest

WORKER = """
import mmap, resource, socket, sys
resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, 256 << 20))  # as every worker has
from devkit_core.child import frames, program, serve
loaded = program.load(sys.argv[2], [])
wire = frames.Wire(socket.socket(fileno=int(sys.argv[1])))
serve.serve(wire, loaded, sys.argv[2], mmap.mmap(-1, 3 * mmap.PAGESIZE))
"""
PLUGINS = {
    "sync": "def execute(text: str) -> str:\n    return text\n",
    "async": "async def execute(text: str) -> str:\n    return text\n",
}
HEAD = struct.Struct(">IBBHI")
WELCOME = json.dumps(
    {
        "protocol": 1,
        "features": ["chunk", "credit", "started"],
        "frame": 1 << 20,
        "payload": 8 << 20,
        "window": 1 << 20,
    }
)
SECONDS = 30


def frame(kind: int, flags: int = 0, call: int = 0, payload: bytes = b"") -> bytes:
    return HEAD.pack(8 + len(payload), kind, flags, 0, call) + payload


TALK = frame(2, payload=WELCOME.encode()) + frame(3)
CALLS = TALK + b"".join(frame(4, 3, number, b"word %d" % number) for number in range(1, 20))


class Worker:
    def __init__(self, plugin) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(SECONDS)
        command = [sys.executable, "-c", WORKER, str(theirs.fileno()), str(plugin)]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        theirs.close()

    def frames(self, count: int) -> list[tuple[int, int, bytes]]:
        """The next frames, read one byte at a time."""
        found = []
        for _ in range(count):
            length, kind, _, _, call = HEAD.unpack(self.exactly(HEAD.size))
            found.append((kind, call, self.exactly(length - 8)))
        return found

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.ours.recv(1)
            assert more, "the worker closed the channel"
            data += more
        return data

    def ends(self) -> bool:
        self.ours.close()
        return self.process.wait(SECONDS) is not None


@pytest.fixture(params=PLUGINS)
def worker(request, tmp_path):
    file = tmp_path / "plugin.py"
    file.write_text(PLUGINS[request.param])
    made = Worker(file)
    assert made.frames(1)[0][0] == 1, "it says hello"
    yield made
    made.ours.close()
    made.process.kill()
    made.process.wait()


def test_one_byte_at_a_time(worker):
    for number in range(len(CALLS)):
        worker.ours.sendall(CALLS[number : number + 1])
    answers = worker.frames(20)
    assert answers[0] == (5, 0, b"")
    assert sorted(answers[1:], key=lambda each: each[1]) == [
        (5, number, b"word %d" % number) for number in range(1, 20)
    ]
    assert worker.ends()


@pytest.mark.parametrize("at", [0, 1, 7, 12, 100, len(TALK), len(TALK) + 5, len(CALLS) - 1])
def test_the_host_is_gone_in_the_middle(worker, at):
    worker.ours.sendall(CALLS[:at])
    assert worker.ends()


def test_the_host_reads_nothing_and_is_gone(worker):
    with contextlib.suppress(OSError):  # once the worker is as full as we are
        worker.ours.settimeout(1)
        worker.ours.sendall(TALK)
        for number in range(1, 40):
            worker.ours.sendall(frame(4, 3, number, b"x" * 500_000))
    assert worker.ends()


def test_noise(worker):
    chance = random.Random(4)
    with contextlib.suppress(OSError):
        for _ in range(20):
            worker.ours.sendall(chance.randbytes(5_000))
    assert worker.ends()


@pytest.mark.parametrize(
    "how", ["doubled", "credit of nobody", "cancel of nobody", "chunk of nobody", "no function"]
)
def test_frames_that_make_no_sense(worker, how):
    odd = {
        "doubled": TALK + frame(4, 3, 1, b"a") + frame(4, 3, 1, b"a"),
        "credit of nobody": TALK + frame(12, 0, 77, bytes(4)),
        "cancel of nobody": TALK + frame(7, 0, 77),
        "chunk of nobody": TALK + frame(11, 2, 77, b"x"),
        "no function": TALK + HEAD.pack(9, 4, 3, 9, 1) + b"x",
    }[how]
    worker.ours.sendall(odd)
    with contextlib.suppress(AssertionError, OSError):  # it may end at that, or go on; it may not hang
        worker.ours.sendall(frame(8))
        while worker.frames(1)[0][0] != 9:
            pass
    assert worker.ends()
