"""The asyncio driver of a worker's channel."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sized
from socket import MSG_DONTWAIT
from time import monotonic, perf_counter
from typing import cast

from devkit_core.protocol.connection import Connection
from devkit_core.workers.patience import Patience
from devkit_core.workers.pending import PendingCall, StreamingCall

__all__ = ["Channel"]

#: seconds to look for an answer in the loop's thread
_SPIN = 40e-6
#: calls that have to come alone before that is done, and those done so before the loop gets a turn
_HABIT, _TURN = 4, 8


class Channel(asyncio.BufferedProtocol):
    """One worker's channel in an event loop.

    A write goes out at once while nothing is in flight, and is joined with others of the same turn of the
    loop where something is. `lost` is called once, when the worker has closed its end or broken a rule
    (then with the rule). `watch` is called when a call is sent and none was, so that somebody looks after
    deadlines.
    """

    def __init__(
        self,
        limit: int,
        control: Callable[[int, bytes], None],
        lost: Callable[[str | None], None],
        watch: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._broken: str | None = None
        self._out: list[bytes] = []
        self.transport: asyncio.Transport | None = None
        self._sock: socket.socket | None = None
        self.guard = contextlib.nullcontext()
        self.connection = Connection(self._write, self._violation, control, limit)
        self.inputs: Mapping[int, int] = {}  # functions that take pieces, and their numbers for that
        self._watch = watch
        # what waits for its turn in asyncio's own loops; others don't show it
        self._ready: Sized = getattr(self._loop, "_ready", ())
        self._alone = self._turn = 0  # calls in a row that were alone, and that the loop got no turn after
        self._patience = Patience()
        self._sent = self.connection.sent
        self._submit = self.connection.submit
        self._give_up = self._abandon  # bound once, not for every call
        self.get_buffer = self.connection.get_buffer  # type: ignore[method-assign]
        self.buffer_updated = self.connection.received  # type: ignore[method-assign,assignment]

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return self.transport is not None

    @property
    def busy(self) -> bool:
        """Whether a call is on its way."""
        return bool(self.connection.sent or self.connection.queued)

    async def open(self, sock: socket.socket) -> None:
        """Take over the host's end of the socket pair."""
        self._sock = sock
        await self._loop.create_connection(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has the methods, not the class

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if exc is not None:
            self._read_rest()
        self.connection.broken = True
        self._lost(self._broken)

    def _read_rest(self) -> None:
        """Take what a worker wrote before it died, where a write to it has failed before that was read."""
        with contextlib.suppress(OSError):
            while self._sock is not None and (count := self._sock.recv_into(self.get_buffer(0))):
                self.buffer_updated(count)

    def submit(self, call: PendingCall) -> None:
        """Send a call; its answer, or error, is set on it."""
        call.abandon = self._give_up
        if call.streams:
            cast("StreamingCall", call).carried(self.connection.credit, self.reply, self.inputs)
            if call.ended:
                return
        if self._sent:
            self._alone = 0
            self._submit(call)
            return
        self._watch()
        self._submit(call)
        self._alone += 1
        if self._alone > _HABIT and self._patience.may_look():
            if self._turn < _TURN and not self._ready:
                self._turn += 1
                self._look()
            else:
                self._turn = 0

    def _look(self) -> None:
        """Read the answer without going through the loop, for as long as a quick plugin takes.

        A loop's turn and the waking of a process take longer than most calls. It is done where calls come one
        after the other, nothing else is ready to run, and the last time was not in vain; and only so often
        that the loop gets its turns.
        """
        assert self._sock is not None
        receive, room, until = self._sock.recv_into, self.get_buffer(0), perf_counter() + _SPIN
        while perf_counter() < until:
            try:
                count = receive(room, 0, MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                return
            if count:  # else it has ended, which the loop will hear
                self.buffer_updated(count)
                self._patience.found()
            return
        self._patience.in_vain()

    def send(self, frame: bytes) -> None:
        """Write a control frame."""
        self.connection.ask(frame)

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call something in the loop's thread, behind the answers that came before."""
        self._loop.call_soon(function, *arguments)

    def reply(self, frame: bytes) -> None:
        """Write part of an answer to what the worker asked."""
        self.connection.write(frame)

    @property
    def unsent(self) -> int:
        """Bytes that the worker has not taken yet."""
        waiting = self.transport.get_write_buffer_size() if self.transport is not None else 0
        return waiting + sum(map(len, self._out))

    def listen(self) -> None:
        """Read also while no call is on its way, which the event loop does anyhow."""

    def expired(self, now: float) -> list[PendingCall]:
        """Return the calls whose time is over."""
        return [call for call in self.connection.expired(now) if isinstance(call, PendingCall)]

    def leave(self, last: int | None) -> tuple[list[PendingCall], list[PendingCall]]:
        """Take all calls away, as the connection does."""
        started, waiting = self.connection.leave(last)
        return (
            [call for call in started if isinstance(call, PendingCall)],
            [call for call in waiting if isinstance(call, PendingCall)],
        )

    def _abandon(self, call: PendingCall) -> None:
        self.connection.cancel(call, monotonic())

    def _write(self, data: bytes) -> None:
        if self.transport is None:
            return
        if len(self.connection.sent) <= 1:
            self.transport.write(data)
        else:
            self._loop.call_soon(self._flush)
            self._out.append(data)
            self.connection.write = self._out.append  # until then

    def _flush(self) -> None:
        self.connection.write = self._write
        if self.transport is not None:
            self.transport.write(b"".join(self._out))
        self._out.clear()

    def _violation(self, why: str) -> None:
        self._broken = why
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """Close the host's end."""
        if self.transport is not None:
            self.transport.abort()
