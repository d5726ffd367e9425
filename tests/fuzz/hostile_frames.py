"""What a hostile worker sends, and what may never come of it.

`watched(data)` feeds bytes to the host's end of a channel and raises AssertionError where a rule of ours
breaks. The fuzzer (tests/fuzz/fuzz_frames.py) and the suite (test_hostile_frames.py) share it.
"""

from __future__ import annotations

import asyncio
import mmap

from devkit_core.protocol.connection import Connection
from devkit_core.protocol.frames import FRAME_PAYLOAD, FrameError, Kind
from devkit_core.protocol.host_calls import FEATURES, HostRequests
from devkit_core.protocol.memory import AREA
from devkit_core.protocol.messages import Result, read_failure, read_hello
from devkit_core.workers.pending import PendingCall

__all__ = ["LIMIT", "watched"]

LIMIT = 3 << 20  # bytes of one whole result
_LOOP = asyncio.SelectorEventLoop()  # never runs
_LOOP.close()
_MEMORY = memoryview(mmap.mmap(-1, AREA))  # as a worker left it, whatever is in it
_HELD = LIMIT + FRAME_PAYLOAD + (1 << 20)  # what a host may hold of a worker's bytes


class Counted(PendingCall):
    """A call that counts its ends."""

    ends = taken = 0

    def __init__(self, data: bytes, streams: bool) -> None:
        super().__init__("one", 0, data, True, None, _LOOP)
        self.streams = streams

    def set_result(self, result: Result) -> None:
        self.ends += 1
        assert len(result.data) <= LIMIT
        super().set_result(result)

    def set_exception(self, exception: BaseException) -> None:
        self.ends += 1
        super().set_exception(exception)

    def item(self, data: bytes, text: bool) -> None:
        self.taken += len(data)


def watched(data: bytes) -> tuple[list[Counted], list[str]]:
    """Feed what a worker sent, in pieces as the first byte says; return the calls and what was broken."""
    broken: list[str] = []
    written: list[bytes] = []

    def control(kind: int, payload: bytes) -> None:
        if kind == Kind.HELLO:
            read_hello(payload)
        elif kind == Kind.ERROR:
            read_failure(payload)
        elif kind not in (Kind.RESULT, Kind.PONG):
            raise FrameError("a frame that a worker never sends")

    connection = Connection(lambda data: written.append(bytes(data)), broken.append, control, LIMIT)
    connection.concurrency = 4
    connection.requests = HostRequests(frozenset(FEATURES), LIMIT, lambda said: None)
    connection.share(_MEMORY)
    calls = [Counted(b"input" * n, streams=n == 2) for n in range(1, 5)]
    for call in calls:
        connection.submit(call)
    piece, at = 1 + (data[0] if data else 0) * 16, 1
    if len(data) > 20_000:
        piece = max(piece, 2048)
    while at < len(data) and not broken:
        room = connection.get_buffer(-1)
        assert len(room) > 0
        count = min(len(room), piece, len(data) - at)
        room[:count] = data[at : at + count]
        at += count
        connection.received(count)
        assert sum(len(each) for each in written) < _HELD
    assert len(broken) <= 1, broken
    started, waiting = connection.leave()
    connection.share(None)
    ended = [call for call in calls if call.ends]
    assert all(call.ends <= 1 for call in calls), "a call ended twice"
    assert len(started) + len(waiting) + len(ended) == len(calls), "a call was lost"
    assert not {*map(id, started)} & {*map(id, waiting)}
    return calls, broken
