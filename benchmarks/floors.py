"""The floors: what a socket pair costs before any protocol.

A frame is a length, a call id and a text. The plugin's side is a Python (or Node.js) child that reads as much
as there is into a buffer it keeps, and joins the answers to what it read into one write. The host's side
writes each request by itself; in asyncio it is a BufferedProtocol with one buffer kept and one future a call.
Nothing is checked, confined, counted or timed out: DevKit can't reach it by much, only come near.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from struct import Struct
from typing import ClassVar

from seat import WINDOW, Figures, Seat, flight_in_loop, one_at_a_time, one_at_a_time_in_loop, rate, text_of

HEAD = Struct(">II")
HERE = Path(__file__).resolve().parent
BUFFER = 1 << 18
PYTHON_CHILD = """
import socket, sys
from struct import Struct
HEAD = Struct(">II")
sock = socket.socket(fileno=int(sys.argv[1]))
buffer = bytearray(1 << 18)
view, have = memoryview(buffer), 0
def echo(text):
    return text
while True:
    count = sock.recv_into(view[have:] if have else view)
    if not count:
        break
    have += count
    at, answers = 0, []
    while have - at >= 8:
        length, call = HEAD.unpack_from(buffer, at)
        end = at + 8 + length
        if end > have:
            break
        answer = echo(str(view[at + 8:end], "utf-8")).encode()
        answers.append(HEAD.pack(len(answer), call) + answer)
        at = end
    if at < have:
        view[:have - at] = view[at:have]
    have -= at
    if answers:
        sock.sendall(answers[0] if len(answers) == 1 else b"".join(answers))
"""
NODE_CHILD = """
const socket = new (require('net').Socket)({ fd: Number(process.argv[1]), readable: true, writable: true })
const echo = (text) => text
let rest = null
socket.on('data', (chunk) => {
  if (rest !== null) { chunk = Buffer.concat([rest, chunk]); rest = null }
  const answers = []
  let at = 0
  while (chunk.length - at >= 8) {
    const end = at + 8 + chunk.readUInt32BE(at)
    if (end > chunk.length) break
    const answer = Buffer.from('01234567' + echo(chunk.utf8Slice(at + 8, end)))
    answer.writeUInt32BE(answer.length - 8, 0)
    answer.writeUInt32BE(chunk.readUInt32BE(at + 4), 4)
    answers.push(answer)
    at = end
  }
  if (at < chunk.length) rest = Buffer.from(chunk.subarray(at))
  if (answers.length) socket.write(answers.length === 1 ? answers[0] : Buffer.concat(answers))
})
socket.on('end', () => process.exit(0))
socket.on('error', () => process.exit(0))
"""


def child(language: str = "python") -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a child and return it and the host's end of its socket pair."""
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        if language == "node":
            command = [shutil.which("node") or "node", "-e", NODE_CHILD, str(number)]
        else:
            command = [sys.executable, "-I", "-S", "-c", PYTHON_CHILD, str(number)]
        return subprocess.Popen(command, pass_fds=[number]), ours


class Host(asyncio.BufferedProtocol):
    """The host's side in an event loop."""

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._next = 0
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._write = transport.write  # type: ignore[attr-defined]

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._have :] if self._have else self._view

    def buffer_updated(self, nbytes: int) -> None:
        have, at, view = self._have + nbytes, 0, self._view
        while have - at >= 8:
            length, number = HEAD.unpack_from(self._buffer, at)
            end = at + 8 + length
            if end > have:
                break
            self._waiting.pop(number).set_result(str(view[at + 8 : end], "utf-8"))
            at = end
        if at < have:
            view[: have - at] = view[at:have]
        self._have = have - at

    def call(self, text: str) -> asyncio.Future[str]:
        """Echo a text of less than 256 KiB."""
        body = text.encode()
        self._next = number = self._next + 1
        future = self._waiting[number] = self._loop.create_future()
        self._write(HEAD.pack(len(body), number) + body)
        return future


class Asyncio(Seat):
    """The floor in asyncio."""

    language: ClassVar[str] = "python"
    version = ".".join(map(str, sys.version_info[:3]))

    async def start(self) -> None:
        self._process, sock = child(self.language)
        sock.setblocking(False)
        _, self._host = await asyncio.get_running_loop().create_connection(Host, sock=sock)

    async def sequential(self, size: int, calls: int) -> Figures:
        return await one_at_a_time_in_loop(self._host.call, size, calls)

    async def flight(self, size: int, calls: int) -> Figures:
        return await flight_in_loop(self._host.call, size, calls)

    async def stop(self) -> None:
        self._host.transport.abort()  # type: ignore[attr-defined]
        self._process.kill()
        self._process.wait()


class Uvloop(Asyncio):
    """The floor in uvloop."""

    @staticmethod
    def loop_factory() -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()

    def __init__(self) -> None:
        import uvloop  # noqa: F401 - is it here?

        self.version = importlib.metadata.version("uvloop")


class Node(Asyncio):
    """The floor in asyncio, with a Node.js child whose event loop goes on between calls."""

    language = "node"

    def __init__(self) -> None:
        node = shutil.which("node")
        if node is None:
            raise ImportError("there is no Node.js", name="node")
        self.version = subprocess.check_output([node, "--version"], text=True).strip()[1:]


class Blocking(Seat):
    """The floor without an event loop."""

    version = Asyncio.version

    async def start(self) -> None:
        self._process, self._sock = child()
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)

    def _call(self, text: str) -> str:
        body = text.encode()
        self._sock.sendall(HEAD.pack(len(body), 1) + body)
        have = 0
        while True:
            have += self._sock.recv_into(self._view[have:] if have else self._view)
            if have >= 8 and have == 8 + HEAD.unpack_from(self._buffer)[0]:
                return str(self._view[8:have], "utf-8")

    def sequential(self, size: int, calls: int) -> Figures:
        return one_at_a_time(self._call, size, calls)

    def flight(self, size: int, calls: int) -> Figures:
        """Let a thread write frames made once, 64 ahead at most; this one counts the bytes that come back."""
        body = text_of(size).encode()
        frame = HEAD.pack(len(body), 1) + body
        ahead = threading.Semaphore(WINDOW)

        def write() -> None:
            for _ in range(calls):
                ahead.acquire()
                self._sock.sendall(frame)

        writer = threading.Thread(target=write)
        begin = time.perf_counter_ns()
        writer.start()
        left, done = calls * len(frame), 0
        while left:
            left -= self._sock.recv_into(self._buffer)
            whole = calls - -(-left // len(frame))
            if whole > done:
                ahead.release(whole - done)
                done = whole
        figures = rate(calls, begin)
        writer.join()
        return figures

    async def stop(self) -> None:
        self._sock.close()
        self._process.wait()
