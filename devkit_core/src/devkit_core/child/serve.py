"""Answers a host's calls, one after the other."""

from __future__ import annotations

import json
import mmap
import sys
from collections import deque
from collections.abc import Callable, Iterator
from struct import Struct
from types import FrameType
from typing import Any

from . import frames
from .cancelling import watch
from .frames import Frame, Gone, Reader, Wire, encode, split
from .inputs import Incoming
from .memory import LEAST, Memory
from .outbox import Outbox
from .program import Broken, Program, failure

__all__ = ["Answers", "hello", "serve"]

_NUMBER = Struct("<I")
_pack = frames.HEAD.pack
_CALL, _RESULT, _END, _TEXT, _END_OF_TEXT = 4, 5, 2, 1, 3  # as in frames, without a look there for each call
_SHORT = 64 << 10  # characters of an answer that is below every limit
#: from a text and where to begin to a value and its end; json.loads without its layers (zygote.py says why)
parse: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def hello(program: Program) -> bytes:
    """Return the first frame of a worker."""
    body = {
        "protocol": 1,
        "language": "python",
        "version": ".".join(map(str, sys.version_info[:3])),
        "features": ["chunk", "credit", "started", "page", "memfd", "interrupt", *program.features],
        "functions": program.names,
        "concurrency": 64 if program.concurrent else 1,
        "inputs": program.inputs,
    }
    return encode(frames.HELLO, 0, 0, 0, json.dumps(body).encode())


class Answers:
    """Writes answers as frames; `limit` and `size` come with the host's welcome."""

    def __init__(
        self, send: Callable[[bytes], None], path: str, answer: Callable[[bytes], None] | None = None
    ) -> None:
        self.send = send
        self.answer = answer or send  # for short answers, whole in one frame
        self.path = path
        self.limit = 64 << 20
        self.size = 1 << 20
        self.window = 1 << 20
        self.memory: Memory | None = None

    def welcome(self, payload: bytes, reader: Reader, page: mmap.mmap) -> None:
        body = parse(payload.decode(), 0)[0]
        if "memfd" in body["features"]:
            self.memory = reader.memory = Memory(page)
        self.limit, self.size, self.window = body["payload"], body["frame"], body["window"]

    def result(self, call: int, value: Any) -> None:
        """Send a whole answer; raises Broken where it is none."""
        if type(value) is str and len(value) < _SHORT and value.isascii():  # what most are
            self.answer(_pack(len(value) + 8, _RESULT, _END_OF_TEXT, 0, call) + value.encode())
            return
        data, text = self.payload(value)
        if len(data) >= LEAST and self.memory is not None and (place := self.memory.put(data)) is not None:
            self.send(encode(frames.RESULT, text | frames.END | frames.MEMORY, 0, call, place))
        elif len(data) <= self.size:
            self.send(encode(frames.RESULT, text | frames.END, 0, call, data))
        else:
            for frame in split(frames.RESULT, text, call, data, self.size):
                self.send(frame)

    def payload(self, value: Any) -> tuple[bytes, int]:
        if type(value) is str:
            try:
                data, text = value.encode(), frames.TEXT
            except UnicodeEncodeError as error:
                raise Broken(
                    "result-not-text", f"the result can't be written as UTF-8: {error.reason}"
                ) from None
        elif isinstance(value, (bytes, bytearray, memoryview)):
            data, text = bytes(value), 0
        elif isinstance(value, str):
            data, text = str.encode(value), frames.TEXT
        else:
            raise Broken(
                "result-type",
                f"execute returned {type(value).__name__}, not str or bytes",
                "return text, as json.dumps(result)",
            )
        if len(data) > self.limit:
            raise Broken(
                "payload-too-large", f"the result has {len(data):,} bytes; the limit is {self.limit:,}"
            )
        return data, text

    def item(self, call: int, value: Any, first: bool) -> int:
        """Send one item of a stream and return its size in bytes."""
        data, text = self.payload(value)
        kind, flags = (frames.RESULT, text | frames.STREAM) if first else (frames.CHUNK, text)
        for frame in split(kind, flags, call, data, self.size, frames.ITEM):
            self.send(frame)
        return len(data)

    def last(self, call: int, empty: bool, text: int) -> None:
        """End a stream."""
        kind = frames.RESULT | 0 if empty else frames.CHUNK
        self.send(encode(kind, frames.END | text | (frames.STREAM if empty else 0), 0, call, b""))

    def error(self, call: int, error: BaseException) -> None:
        body = json.dumps(failure(error, self.path)).encode("utf-8", "surrogatepass")
        if len(body) > self.size:
            body = json.dumps({"code": "plugin-raised", "kind": type(error).__name__}).encode()
        self.send(encode(frames.ERROR, 0, 0, call, body))


class _Stop(Exception):
    """The host asked for the end."""


class _Serial:
    """Runs calls in the order they come; while a stream waits, frames are kept."""

    def __init__(self, wire: Wire, program: Program, path: str, page: mmap.mmap) -> None:
        self.wire = wire
        self.page = page
        self.program = program
        self.outbox = Outbox(page, wire.send, lambda: self.kept)
        self.answers = Answers(wire.send, path, self.outbox.answer)
        self.kept: deque[Frame] = deque()
        self.parts: dict[int, list[bytes]] = {}
        self.cancelled: set[int] = set()
        self.credit: dict[int, int] = {}
        self.input: Incoming | None = None  # of the last call that takes its input in pieces
        program.source = self.incoming

    def run(self) -> None:
        while True:
            batch = self.wire.frames()
            if len(batch) > 1:
                # a cancel that is already here saves the call it names
                self.cancelled.update(f[3] for f in batch if f[0] == frames.CANCEL)
            self.kept.extend(batch)
            self.outbox.begin()
            while self.kept:
                frame = self.kept.popleft()
                kind, flags, function, call, payload = frame
                if kind == _CALL and flags & _END:
                    self.call(function, call, payload, bool(flags & _TEXT))
                else:
                    self.outbox.flush()
                    self.handle(frame)
            self.outbox.flush()
            self.cancelled.clear()  # what is left named calls that were answered already
            if not self.parts:
                self.wire.reader.told.clear()

    def handle(self, frame: Frame) -> None:
        kind, flags, function, call, payload = frame
        if kind == frames.CALL:  # one that isn't whole yet
            self.parts[call] = [bytes((flags,)), function.to_bytes(2, "big"), payload]
        elif kind == frames.CHUNK:
            parts = self.parts[call]
            parts.append(payload)
            if flags & frames.END:
                first, number, *data = self.parts.pop(call)
                whole = b"".join(data)
                self.call(int.from_bytes(number, "big"), call, whole, bool(first[0] & frames.TEXT))
        elif kind == frames.PING:
            self.wire.send(encode(frames.PONG, 0, 0, 0, payload))
        elif kind == frames.WELCOME:
            self.answers.welcome(payload, self.wire.reader, self.page)
            if self.program.host is not None:
                self.program.host.welcome(payload)
        elif kind == frames.INITIALIZE:
            self.lifecycle(self.program.start(payload))
        elif kind == frames.CONFIGURE:
            self.lifecycle(self.program.change(payload))
        elif kind == frames.SHUTDOWN:
            self.lifecycle(self.program.shutdown)
            raise _Stop

    def lifecycle(self, function: Callable[[], Any] | None) -> None:
        try:
            answer = function() if function else None
            if hasattr(answer, "__await__"):
                _finish(answer)
        except BaseException as error:  # whatever it is, the host is told
            self.answers.error(0, error)
        else:
            self.wire.send(encode(frames.RESULT, frames.END, 0, 0, b""))

    def incoming(self) -> Incoming:
        """Return the input, in pieces, of the call that has begun; others may be here behind it already."""
        call = _NUMBER.unpack_from(self.page)[0]
        self.input = Incoming(call, self.wire.send, self.more)
        others: deque[Frame] = deque()
        for frame in self.kept:
            if frame[0] == frames.INPUT and frame[3] == call:
                self.input.take(frame)
            else:
                others.append(frame)
        self.kept = others
        return self.input

    def more(self, call: int) -> None:
        """Read more of a call's input."""
        if call in self.cancelled:
            raise Broken("cancelled", "the call was cancelled")
        self.wait()

    def call(self, function: int, call: int, payload: bytes, text: bool) -> None:
        if self.cancelled and call in self.cancelled:
            self.cancelled.discard(call)
            self.answers.error(call, Broken("cancelled", "the call was cancelled"))
            return
        _NUMBER.pack_into(self.page, 0, call)
        try:
            value = self.program.functions[function](payload, text)
            if type(value) is str or type(value) is bytes:
                self.answers.result(call, value)
            elif hasattr(value, "__next__"):
                self.stream(call, value)
            elif hasattr(value, "__await__"):
                self.answers.result(call, _finish(value))
            else:
                self.answers.result(call, value)
        except (Gone, _Stop):
            raise
        except (
            BaseException
        ) as error:  # SystemExit and KeyboardInterrupt of a plugin end a call, not a worker
            self.answers.error(call, error)

    def stream(self, call: int, items: Iterator[Any]) -> None:
        self.outbox.flush()
        self.credit[call] = self.answers.window
        first, text = True, frames.TEXT
        try:
            for item in items:
                if call in self.cancelled:
                    raise Broken("cancelled", "the call was cancelled")
                text = frames.TEXT if isinstance(item, str) else 0
                self.credit[call] -= self.answers.item(call, item, first)
                first = False
                while self.credit[call] <= 0:
                    self.wait()
            self.answers.last(call, first, text)
        finally:
            self.credit.pop(call, None)
            self.cancelled.discard(call)
            getattr(items, "close", lambda: None)()

    def wait(self) -> None:
        """Read what the host has to say while a stream is held up."""
        self.outbox.flush()
        for frame in self.wire.frames():
            kind, _, _, call, payload = frame
            if kind == frames.CREDIT:
                if call in self.credit:
                    self.credit[call] += int.from_bytes(payload, "big")
            elif kind == frames.PING:
                self.wire.send(encode(frames.PONG, 0, 0, 0, payload))
            elif kind == frames.CANCEL:
                self.cancelled.add(call)
            elif kind == frames.INPUT and self.input is not None and self.input.call == call:
                self.input.take(frame)
            else:
                self.kept.append(frame)
        if self.cancelled & self.credit.keys():
            raise Broken("cancelled", "the call was cancelled")


def _running(call: int, frame: FrameType | None) -> bool:
    """Say whether a frame is below that call's."""
    while frame is not None:
        if frame.f_code is _Serial.call.__code__:
            return bool(frame.f_locals["call"] == call)
        frame = frame.f_back
    return False


def _finish(awaitable: Any) -> Any:
    """Run an awaitable that a plain function returned."""
    import asyncio

    async def wait() -> Any:
        return await awaitable

    return asyncio.run(wait())


def serve(wire: Wire, program: Program, path: str, page: mmap.mmap) -> None:
    """Serve until the host says shutdown or closes the channel.

    `page` is shared with the host: the id of the call that is begun stands there, as a u32, so that a
    death shows which calls had begun. Behind it stands the one that the host has cancelled.
    """
    wire.send(hello(program))
    try:
        if program.asks and not program.concurrent:
            from .devkit_plugin import join
            from .hosting import BlockingHost

            join(BlockingHost(program, wire, lambda: _NUMBER.unpack_from(page)[0]))
        if program.concurrent:
            from . import concurrent

            concurrent.serve(wire, program, path, page)
        else:
            serial = _Serial(wire, program, path, page)
            watch(page, _running, serial.cancelled.add)
            serial.run()
    except (Gone, _Stop):
        return
