"""The host's end of one worker's channel, without I/O.

A driver asks for room (`get_buffer`), says how much came (`received`) and writes what `write` is given.
Frames are parsed where they lie. Whatever a worker sends, nothing but `violation` is called for it: a
rule that is broken ends the worker, never the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from time import monotonic

from devkit_core.protocol.coming import Coming
from devkit_core.protocol.control import Control
from devkit_core.protocol.frames import (
    FRAME_PAYLOAD,
    HEAD,
    HEAD_SIZE,
    Flag,
    FrameError,
    Kind,
    chunks,
    encode,
    metadata,
    told_chunks,
)
from devkit_core.protocol.handshake import STREAM_WINDOW
from devkit_core.protocol.host_calls import HostRequests
from devkit_core.protocol.memory import LEAST, Incoming, Outgoing
from devkit_core.protocol.messages import Failure, Result, read_failure
from devkit_core.protocol.waiting import Queue, Waiting

__all__ = ["Connection"]

_RESULT, _ERROR, _CHUNK, _STARTED = Kind.RESULT, Kind.ERROR, Kind.CHUNK, Kind.STARTED
_TEXT, _END, _META, _ITEM, _STREAM, _MEMORY = (int(flag) for flag in Flag)
_BUFFER = 256 * 1024
#: bytes of input on the wire and unanswered, beyond which further calls wait their turn in the host
WIRE_WINDOW = 512 * 1024
_CALL_IDS = 0xFFFFFFFF
_UNWRITTEN = 1024  # answers taken before they were written; a page holds a third of that
_pack = HEAD.pack
_LONGEST = FRAME_PAYLOAD + 8  # what a frame says of its length
_new = tuple.__new__  # a NamedTuple's own takes twice as long


class Connection:
    """Calls in flight to one worker.

    `write` takes bytes for the wire; `violation` is told, once, which rule the worker broke; `control`
    takes the frames of the handshake (kind, payload). `limit` bounds one whole result, in bytes.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        violation: Callable[[str], None],
        control: Callable[[int, bytes], None],
        limit: int,
    ) -> None:
        self.write = write
        self.violation = violation
        self.control = Control(control)
        self.limit = limit
        self.concurrency = 1
        self.sent: dict[int, Waiting] = {}  # in the order they were sent
        self.queued = Queue()
        self.abandoned: dict[int, float] = {}  # cancelled calls whose answer is still due, since when
        self.requests: HostRequests | None = None  # what the worker may ask of its host, and tell it
        self._wire: float = 0
        self._coming: dict[int, Coming] = {}
        self._taken: set[int] = set()  # calls whose answers were taken before they were written
        self._started = 0
        self._final = False  # whether STARTED said that no further call was begun
        self._next = 1
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._large: memoryview | None = None
        self._got = 0
        self.broken = False
        self._outgoing: Outgoing | None = None
        self._incoming: Incoming | None = None

    def share(self, memory: memoryview | None) -> None:
        """Let large payloads travel through this memory, laid out as `protocol.memory` says, or no more."""
        for ring in (self._outgoing, self._incoming):
            if ring is not None:
                ring.close()
        self._outgoing = Outgoing(memory) if memory is not None else None
        self._incoming = Incoming(memory) if memory is not None else None

    def idle_memory(self) -> bool:
        """Say, once, that the shared memory was used and nothing in it is needed any more."""
        out, back = self._outgoing, self._incoming
        if out is None or back is None or self.sent:
            return False
        return out.rest() | back.rest()

    # -- sending

    def submit(self, call: Waiting) -> None:
        """Send a call now, or as soon as the wire has room; on a broken connection it stays queued."""
        size = call.size + HEAD_SIZE
        if self.broken or self.queued or (self._wire and self._wire + size > WIRE_WINDOW):
            self.queued.add(call)
            return
        # what follows is `_send` for all but large inputs, as a call of it costs every call
        if size > LEAST or call.told:
            self._send(call)
            return
        call.id = number = self._next
        self._next = number + 1 if number < _CALL_IDS else 1
        self.sent[number] = call
        self._wire += size
        self.write(_pack(size - 4, 4, 3 if call.text else 2, call.function, number) + call.data)

    def _send(self, call: Waiting) -> None:
        call.id = number = self._next
        self._next = number + 1 if number < _CALL_IDS else 1
        self.sent[number] = call
        self._wire += call.size + HEAD_SIZE
        flags = _TEXT if call.text else 0
        if call.told:  # with its time and trace
            about = metadata(call.deadline - monotonic(), call.trace)
            for frame in told_chunks(about, flags, call.function, number, call.data):
                self.write(frame)
            return
        if call.size >= LEAST and (ring := self._outgoing) is not None:
            place = ring.put(call.data) if call.source is None else ring.put_text(call.source)
            if place is not None:
                self.write(encode(Kind.CALL, flags | _END | _MEMORY, call.function, number, place))
                return
        data = call.data
        for frame in chunks(Kind.CALL, flags, call.function, number, data):
            self.write(frame)

    def _sent_on(self) -> None:
        while (
            not self.broken
            and self.queued
            and (not self._wire or self._wire + self.queued[0].size <= WIRE_WINDOW)
        ):
            call = self.queued.take()
            if not call.done():
                self._send(call)

    def hold(self) -> None:
        """Send no further call: the worker is being ended, and the next one is to have them."""
        self._wire = math.inf

    def cancel(self, call: Waiting, now: float) -> None:
        """Tell the worker that nobody waits for a call any more."""
        if call.id in self.sent and call.id not in self.abandoned:
            self.abandoned[call.id] = now
            self.write(encode(Kind.CANCEL, call=call.id))

    def credit(self, number: int, size: int) -> None:
        """Let a stream send this many bytes more."""
        if (coming := self._coming.get(number)) is not None:
            coming.ahead -= size
        self.write(encode(Kind.CREDIT, call=number, payload=size.to_bytes(4, "big")))

    def ask(self, frame: bytes) -> None:
        """Send a control frame."""
        self.control.sent(frame)
        self.write(frame)

    # -- receiving

    @property
    def answered(self) -> int:
        """How many calls were answered; it is counted from what calls count anyhow, to one turn of ids."""
        return self._next - len(self.sent)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go; never empty."""
        if self._large is not None:
            return self._large[self._got :]
        return self._view[self._have :] if self._have else self._view

    def received(self, count: int) -> None:
        """Take this many bytes, written to the buffer that `get_buffer` returned."""
        if self.broken:
            return
        if self._large is not None:
            self._got += count
            if self._got < len(self._large):
                return
            whole, self._large = self._large, None
            self._slow(whole, 0, len(whole))
            return
        buffer, view, at, have = self._buffer, self._view, 0, self._have + count
        sent, coming, unpack, size = self.sent, self._coming, HEAD.unpack_from, HEAD_SIZE
        while have - at >= size:
            length, kind, flags, _, number = unpack(buffer, at)
            end = at + 4 + length
            if not 8 <= length <= _LONGEST:
                self._break(f"a frame of {length} bytes")
                return
            if end > have:
                if end - at > _BUFFER:
                    self._make_room(at, have, end)
                    return
                break
            # the one case worth a short way: the whole answer of a call, in one frame
            if kind == 5 and flags | 1 == 3 and number in sent and number not in coming:
                call = sent.pop(number)
                self._wire -= call.size + size
                if self.abandoned:
                    self.abandoned.pop(number, None)
                if flags == 3 and call.plain:
                    call.set_text(str(view[at + size : end], "utf-8", "replace"), length - 8)
                else:
                    call.set_result(_new(Result, (bytes(view[at + size : end]), flags == 3)))
            elif not self._slow(self._view, at, end):
                return
            at = end
        if at < have:
            self._view[: have - at] = self._view[at:have]
        self._have = have - at
        if self.queued:
            self._sent_on()

    def _make_room(self, at: int, have: int, end: int) -> None:
        """Receive a frame larger than the buffer into memory of its own, in place."""
        large = memoryview(bytearray(end - at))
        large[: have - at] = self._view[at:have]
        self._large, self._got, self._have = large, have - at, 0

    def _break(self, why: str) -> None:
        self.broken = True
        self.violation(why)

    def _slow(self, buffer: memoryview, at: int, end: int) -> bool:
        """Act on one frame; False where it broke a rule."""
        try:
            self._frame(buffer, at, end)
        except FrameError as broken:
            self._break(str(broken))
        return not self.broken

    def _frame(self, buffer: memoryview, at: int, end: int) -> None:
        _, kind, flags, _, number = HEAD.unpack_from(buffer, at)
        start = at + HEAD_SIZE
        if flags & _META:
            start += 2 + int.from_bytes(buffer[start : start + 2], "big")
            if start > end:
                self._break("metadata longer than its frame")
                return
        payload = bytes(buffer[start:end])
        if flags & _MEMORY and (ring := self._incoming) is not None:
            call = self.sent.get(number)
            if call is None or kind != _RESULT or not flags & _END:  # each costs the host a copy
                self._break(f"a frame of kind {kind} in shared memory that is no call's whole answer")
                return
            if (
                flags == _TEXT | _END | _MEMORY
                and call.plain
                and number not in self._coming
                and (found := ring.take_text(payload, self.limit)) is not None
            ):
                self._end(number)
                call.set_text(*found)
                if self.queued:
                    self._sent_on()
                return
            payload = ring.take(payload)
        if kind in (_RESULT, _CHUNK):
            self._part(number, flags, payload, kind == _CHUNK)
        elif kind == _ERROR and number:
            self._failure(number, payload)
        elif kind == _STARTED:
            if number not in self.sent and not flags & _END:
                self._break(f"call {number} was begun, which is not in flight")
                return
            self._started = max(self._started, number)
            self._final = bool(flags & _END)
        elif self.requests is not None and kind in self.requests.kinds:
            self.requests.frame(kind, flags, number, payload)
        else:
            self.control.take(kind, payload, number)
        if self.queued:
            self._sent_on()

    def _part(self, number: int, flags: int, payload: bytes, chunk: bool) -> None:
        call = self.sent.get(number)
        if call is None:
            if number == 0 and not chunk:
                self.control.take(_RESULT, payload)
                return
            if number in self._taken and not chunk:
                self._taken.discard(number)
            else:
                self._break(f"a result for call {number}, which is not in flight")
            return
        coming = self._coming.get(number)
        if (coming is None) == chunk:
            self._break(f"call {number}: a chunk without its result, or two results")
            return
        if coming is None:
            coming = self._coming[number] = Coming()
        if payload and not coming.item and coming.ahead >= STREAM_WINDOW:
            self._break(f"call {number}: an item of a stream that has no credit left")
            return
        text = bool(flags & _TEXT)
        coming.add(payload)
        if coming.size > self.limit:
            self._end(number)
            if not call.done():
                call.fail(Failure("payload-too-large", f"the result is over {self.limit:,} bytes"))
            if not flags & _END:
                self._break("a result over the agreed limit")
            return
        if flags & _ITEM:
            size, coming.item = coming.item, 0
            coming.ahead += size
            if call.streams and not call.done():
                call.item(coming.take(), text)
            else:  # nobody else will say that it was read
                if call.done():
                    coming.take()
                self.credit(number, size)
        if flags & _END:
            self._end(number)
            if not call.done():
                call.set_result(Result(coming.take(), text))

    def take_unwritten(self, frames: bytes) -> None:
        """Take answers that a worker has given and not written yet; when they come, they are skipped.

        What is no whole answer of a call in flight is left alone.
        """
        at = 0
        while len(frames) - at >= HEAD_SIZE:
            length, kind, flags, _, number = HEAD.unpack_from(frames, at)
            end = at + 4 + length
            if kind != _RESULT or flags | _TEXT != _TEXT | _END or length < 8 or end > len(frames):
                break
            if (call := self.sent.get(number)) is not None and number not in self._coming:
                if len(self._taken) >= _UNWRITTEN:
                    self._break(f"over {_UNWRITTEN:,} answers that were never written")
                    return  # the call is still there to fail with the worker
                self._end(number)
                self._taken.add(number)
                call.set_result(Result(frames[at + HEAD_SIZE : end], bool(flags & _TEXT)))
            at = end
        if self.queued:
            self._sent_on()

    def _failure(self, number: int, payload: bytes) -> None:
        call = self.sent.get(number)
        if call is None:
            self._break(f"an error for call {number}, which is not in flight")
            return
        failure = read_failure(payload)  # where it raises, the call is still there to fail with the worker
        self._end(number)
        if not call.done():
            call.fail(failure)

    def _end(self, number: int) -> None:
        call = self.sent.pop(number)
        self._wire -= call.size + HEAD_SIZE
        self._coming.pop(number, None)
        self.abandoned.pop(number, None)

    # -- the end

    def leave(self, last: int | None = None) -> tuple[list[Waiting], list[Waiting]]:
        """Take all calls away: those the worker may have started, and those it certainly has not.

        `last` is the id of the call that was begun last, where that is known. Else the oldest unanswered one
        is taken for begun, unless the worker's last word said less; others have begun where it said so.
        """
        started: list[Waiting] = []
        waiting: list[Waiting] = []
        if last is None and not self._final:
            last = next(iter(self.sent), 0)
        begun = max(self._started, last or 0)
        for number, call in self.sent.items():
            (started if number <= begun or number in self._coming else waiting).append(call)
        while self.queued:
            waiting.append(self.queued.take())
        self.sent.clear()
        self.abandoned.clear()
        self._coming.clear()
        self._wire = 0
        return [c for c in started if not c.done()], [c for c in waiting if not c.done()]

    def expired(self, now: float) -> Iterator[Waiting]:
        """Yield the calls whose time is over."""
        for call in [*self.sent.values(), *self.queued]:
            if not call.deadline > now and not call.done():  # so does one that is not a number
                yield call
