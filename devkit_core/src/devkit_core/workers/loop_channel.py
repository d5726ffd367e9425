"""The event loop's part of a channel that threads read too."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from time import monotonic

from devkit_core.protocol.connection import Connection
from devkit_core.protocol.frames import FrameError
from devkit_core.protocol.waiting import Waiting
from devkit_core.workers.blocking_call import BlockingCall, Waiter
from devkit_core.workers.carried import Carried
from devkit_core.workers.deadlines import TICK
from devkit_core.workers.outbox import Outbox
from devkit_core.workers.patience import Patience
from devkit_core.workers.pending import PendingCall, StreamingCall

__all__ = ["LoopChannel"]

_TIMEOUT = struct.pack("ll", 0, int(TICK * 1_000_000))
_NOW = socket.MSG_DONTWAIT
_QUIET = 0.1  # seconds between a thread's reading and the loop's listening


class LoopChannel:
    """What the event loop that owns a worker does on its channel; `BlockingChannel` has what threads do.

    The loop reads only while something of its own is due (the handshake, a stream, a call that nobody waits
    for any more) and no thread leads. All state is changed under `guard`, which is never held across a wait.
    `lost` is called once, in the loop's thread, when the worker has closed its end or broken a rule (then
    with the rule). `watch` is called there when a call waits that has no thread to look after its deadline.
    """

    def __init__(
        self,
        limit: int,
        control: Callable[[int, bytes], None],
        lost: Callable[[str | None], None],
        watch: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.guard = threading.RLock()
        self._out = Outbox()
        self._kept = self._out.kept
        self.connection = Connection(self._out.write, self._violation, self._controlled, limit)
        self._room = len(self.connection.get_buffer(0))  # where a frame begins
        self._control = control
        self._lost = lost
        self._watch = watch
        self._sock: socket.socket | None = None
        self.inputs: Mapping[int, int] = {}  # functions that take pieces, and their numbers for that
        self._hangup = select.epoll()
        self._poll = select.poll()
        self._leader: Waiter | None = None
        self._eager = False  # whether the last answer came so soon that looking for the next is worth it
        #: gives answers that wait in the worker to be written
        self.unwritten: Callable[[], bytes] = bytes
        self._patience = Patience()
        self._followers: dict[Waiter, None] = {}
        self._carried: dict[PendingCall, Carried] = {}
        self._due = False  # an answer to a control frame
        self._listening = False  # for what the worker says unasked
        self._reading = self._writing = False  # the loop
        self._wanted = False  # the loop asks the leader to say when it leaves
        self._over = self._left = self._told = False
        self._broken: str | None = None
        self.interrupted = False  # an interrupt of the main thread's that waits until nothing is half done

    async def open(self, sock: socket.socket) -> None:
        """Take over the host's end of the socket pair."""
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
        self._sock = self._out.sock = sock
        self._receive = sock.recv_into
        self._poll.register(sock, select.POLLIN | select.POLLOUT)
        # an event mask of nothing still tells of a hang-up, and costs no call anything
        self._hangup.register(sock, 0)
        self._loop.add_reader(self._hangup.fileno(), self._hung_up)
        self._due = True
        self._attend()

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return not self._over

    @property
    def number(self) -> int:
        """The descriptor of the host's end, -1 where there is none any more."""
        return self._sock.fileno() if self._sock is not None else -1

    @property
    def busy(self) -> bool:
        """Whether a call is on its way whose deadline the loop has to look after."""
        return bool(self._carried or self.connection.abandoned)

    # -- calls and frames of the loop

    def submit(self, call: PendingCall) -> None:
        """Send a call; its answer, or error, is set on it."""
        call.abandon = self._abandon
        if isinstance(call, StreamingCall):
            call.carried(self._credit, self.reply, self.inputs)
            if call.ended:
                return
        with self.guard:
            carried = self._carried[call] = Carried(call, self._loop, self._forget)
            self.connection.submit(carried)
        self._look_after()

    def send(self, frame: bytes) -> None:
        """Write a control frame."""
        with self.guard:
            self._due = True
            self.connection.ask(frame)
        self._attend()

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call something in the loop's thread, behind the answers that came before."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def reply(self, frame: bytes) -> None:
        """Write part of an answer to what the worker asked."""
        with self.guard:
            self._out.write(frame)
        self._attend()

    @property
    def unsent(self) -> int:
        """Bytes that the worker has not taken yet."""
        return len(self._kept)

    def listen(self) -> None:
        """Read also while no call is on its way: soon after the last one, so that calls are no slower."""
        with self.guard:
            if self._over:
                return
            if self._leader is None:
                self._listening = True
        self._attend()
        if not self._listening:
            self._loop.call_later(_QUIET, self.listen)

    def _forget(self, call: PendingCall) -> None:
        self._carried.pop(call, None)

    def _abandon(self, call: PendingCall) -> None:
        with self.guard:
            self._forget(call)
            self.connection.cancel(call, monotonic())
        self._look_after()

    def _credit(self, number: int, size: int) -> None:
        with self.guard:
            if number in self.connection.sent:
                self.connection.credit(number, size)
        self._attend()

    def expired(self, now: float) -> list[PendingCall]:
        """Return the calls of the loop's whose time is over; threads look after their own."""
        with self.guard:
            over = [call for call in self._carried if not call.deadline > now and not call.done()]
            for call in over:
                self._forget(call)
            return over

    def leave(self, last: int | None) -> tuple[list[PendingCall], list[PendingCall]]:
        """Take all calls away, as the connection does; those of threads are the loop's from now on."""
        with self.guard:
            self._left = True
            self._carried.clear()
            started, waiting = self.connection.leave(last)
            return [self._own(call) for call in started], [self._own(call) for call in waiting]

    def _own(self, call: Waiting) -> PendingCall:
        if isinstance(call, Carried):
            return call.call
        assert isinstance(call, BlockingCall)
        made = call.hand_over(self._loop)
        for each in (call, call.group):
            if each is not None:
                each.rouse()
        return made

    # -- the loop's part of reading and writing

    def _look_after(self) -> None:
        self._watch()
        self._attend()

    def _attend(self) -> None:
        """Read and write in the loop, where something of its own is due and no thread leads."""
        with self.guard:
            self._write_on()
            if self._over or self._reading or not (self._due or self.busy or self._listening):
                return
            if self._leader is not None:
                self._wanted = True
            elif self._sock is not None:
                self._reading = True
                self._loop.add_reader(self._sock, self._readable)

    def _stop_reading(self) -> None:
        if self._reading and self._sock is not None:
            self._reading = False
            self._loop.remove_reader(self._sock)

    def _readable(self) -> None:
        with self.guard:
            if self._leader is not None:
                self._wanted = True
                self._stop_reading()
                if self._listening:
                    self._listening = False
                    self._loop.call_later(_QUIET, self.listen)
                return
            try:
                count = self._receive(self.connection.get_buffer(0), 0, _NOW)
            except BlockingIOError:
                return
            except OSError:
                count = 0
            if count:
                self.connection.received(count)
            else:
                self._end()
            self._write_on()
            if not (self._due or self.busy or self._listening):
                self._stop_reading()

    def _write_on(self) -> None:
        with self.guard:
            self._out.flush()
            wanted = bool(self._kept) and not self._over
            if wanted is not self._writing and self._sock is not None:
                self._writing = wanted
                if wanted:
                    self._loop.add_writer(self._sock, self._write_on)
                else:
                    self._loop.remove_writer(self._sock)

    def _controlled(self, kind: int, payload: bytes) -> None:
        self._due = False
        self._loop.call_soon_threadsafe(self._tell_control, kind, payload)

    def _tell_control(self, kind: int, payload: bytes) -> None:
        try:
            self._control(kind, payload)
        except FrameError as broken:
            with self.guard:
                self._violation(str(broken))

    # -- the end

    def _hung_up(self) -> None:
        """The worker is gone, though nobody reads: the loop does, and comes to the end."""
        self._loop.remove_reader(self._hangup.fileno())
        self._due = True
        self._attend()

    def _violation(self, why: str) -> None:
        self._broken = self._broken or why
        self._end()

    def _end(self) -> None:
        """Stop, once, and let the loop say so; called under the guard."""
        if self._over:
            return
        self._over = self.connection.broken = True
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        for each in self._followers:
            each.rouse()
        self._loop.call_soon_threadsafe(self._lose)

    def _lose(self) -> None:
        with self.guard:
            if self._told:
                return
            self._stop_reading()
            self._out.clear()
            self._write_on()
            self._told = True
            if self._sock is not None:
                self._loop.remove_reader(self._hangup.fileno())
                if self._leader is None:
                    self._sock.close()
        self._hangup.close()
        self._lost(self._broken)

    def close(self) -> None:
        """Close the host's end."""
        with self.guard:
            self._end()

    def _pass_on(self) -> None:
        """Wake a follower to lead, or let the loop go on with what is left; called under the guard."""
        if self._over:
            for each in self._followers:
                each.rouse()
            if self._told and self._sock is not None:
                self._sock.close()
            return
        for each in self._followers:
            if not each.finished and each.wake is not None:
                each.rouse()
                return
        if self._wanted or self._kept:
            self._wanted = False
            self._loop.call_soon_threadsafe(self._attend)
