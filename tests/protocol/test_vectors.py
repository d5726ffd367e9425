"""The published test vectors, read by both of our ends."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from devkit_core.child.frames import Reader
from devkit_core.protocol.connection import Connection
from devkit_core.protocol.frames import Flag, Kind, encode

ROOT = Path(__file__).parents[2]
CHILD = ROOT / "devkit_core/src/devkit_core/child"
VECTORS = json.loads((ROOT / "sdk/vectors/frames.json").read_text())


class Call:
    """A call as the connection wants it."""

    def __init__(self, data: bytes = b"x", text: bool = True) -> None:
        self.function, self.data, self.text, self.id, self.deadline = 0, data, text, 0, float("inf")
        self.size, self.source, self.plain = len(data), None, False
        self.answer = self.failure = None
        self.items: list[bytes] = []
        self.streams = self.told = self.admitted = False
        self.trace = ""

    def done(self):
        return self.answer is not None or self.failure is not None

    def result(self):
        return self.answer

    def set_result(self, result):
        if not self.done():
            self.answer = result

    def fail(self, failure):
        if not self.done():
            self.failure = failure

    def item(self, data, text):
        self.items.append(data)


class Host:
    """A connection whose wire is a list."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.written: list[bytes] = []
        self.broken: list[str] = []
        self.control: list[tuple[int, bytes]] = []
        self.connection = Connection(
            self.written.append,
            self.broken.append,
            lambda kind, data: self.control.append((kind, data)),
            limit,
        )

    def receive(self, data: bytes, size: int = 1 << 30) -> None:
        data = memoryview(data)
        while data and not self.broken:
            room = self.connection.get_buffer(-1)
            count = min(len(room), len(data), size)
            room[:count] = data[:count]
            data = data[count:]
            self.connection.received(count)


def test_the_file_is_what_the_generator_writes():
    assert subprocess.run([sys.executable, ROOT / "tools/generate_vectors.py", "--check"]).returncode == 0


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS["frames"] if not v["flags"] & Flag.META], ids=lambda v: v["name"]
)
def test_both_ends_write_it(vector):
    from devkit_core.child import frames

    kind, payload = Kind[vector["kind"]], bytes.fromhex(vector["payload"])
    fields = (kind, vector["flags"], vector["function"], vector["call"], payload)
    assert encode(*fields).hex() == vector["bytes"]
    assert frames.encode(*fields).hex() == vector["bytes"]


@pytest.mark.parametrize("vector", VECTORS["frames"], ids=lambda v: v["name"])
@pytest.mark.parametrize("size", [1, 5, 4096])
def test_the_worker_reads_it(vector, size):
    data = bytes.fromhex(vector["bytes"])
    reader, found = Reader(), []
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        reader.room()[: len(piece)] = piece
        found += reader.take(len(piece))
    assert found == [
        (
            Kind[vector["kind"]],
            vector["flags"],
            vector["function"],
            vector["call"],
            bytes.fromhex(vector["payload"]),
        )
    ]


@pytest.mark.parametrize(
    "vector", VECTORS["violations from a worker, with call 1 in flight"], ids=lambda v: v["name"]
)
@pytest.mark.parametrize("size", [1, 4096])
def test_the_host_refuses_it(vector, size):
    host = Host()
    host.connection.submit(call := Call())
    host.receive(bytes.fromhex(vector["bytes"]), size)
    assert len(host.broken) == 1
    assert call.answer is None
    started, waiting = host.connection.leave()
    assert (started, waiting) in (([call], []), ([], []))


@pytest.mark.parametrize("vector", VECTORS["skipped by both ends"], ids=lambda v: v["name"])
def test_both_skip_it(vector):
    host = Host()
    host.connection.submit(call := Call())
    host.receive(bytes.fromhex(vector["bytes"]) + encode(Kind.RESULT, 3, 0, call.id, b"ok"))
    assert host.broken == []
    assert call.answer.value == "ok"


def test_the_worker_imports_only_the_standard_library():
    """What runs in a worker must load where there is nothing but the standard library."""
    names = [p.stem for p in CHILD.glob("*.py") if p.stem != "__init__"]
    code = f"""
import sys, importlib.util
spec = importlib.util.spec_from_file_location("zygote", {str(CHILD / "zygote.py")!r})
zygote = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zygote)
zygote.package()
for name in {names!r}:
    importlib.import_module("_devkit_child." + name)
known = sys.stdlib_module_names | {{"_devkit_child"}}
strays = [m for m in sys.modules if m.split(".")[0] not in known]
assert strays == ["__main__"], strays
"""
    assert importlib.util.find_spec("devkit_core.child.zygote")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS["frames"] if v["flags"] & Flag.META], ids=lambda v: v["name"]
)
def test_the_worker_knows_the_time_left_and_the_trace(vector):
    data, reader = bytes.fromhex(vector["bytes"]), Reader()
    reader.room()[: len(data)] = data
    before = monotonic()
    list(reader.take(len(data)))
    until, trace = reader.told[vector["call"]]
    assert trace == vector["trace"]
    if vector["milliseconds left"] is None:
        assert until == math.inf
    else:
        left = vector["milliseconds left"] / 1000
        assert before + left <= until <= monotonic() + left


@pytest.mark.parametrize("size", [2, 1 << 20, (1 << 20) - 6, (1 << 20) - 7, 3 << 20])
def test_the_host_writes_it_before_the_first_part(size):
    host, call = Host(4 << 20), Call(b"x" * size)
    call.told, call.trace, call.deadline = True, "00-ab", monotonic() + 100
    host.connection.submit(call)
    reader, found = Reader(), []
    for frame in host.written:
        for at in range(0, len(frame), 65536):
            piece = frame[at : at + 65536]
            reader.room()[: len(piece)] = piece
            found += reader.take(len(piece))
    assert b"".join(each[4] for each in found) == call.data
    assert [bool(each[1] & Flag.END) for each in found] == [*([False] * (len(found) - 1)), True]
    assert all(len(each) <= 12 + (1 << 20) for each in host.written)
    until, trace = reader.told[call.id]
    assert trace == "00-ab"
    assert 90 < until - monotonic() <= 100
