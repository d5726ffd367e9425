"""The blocking driver of a worker's channel: whoever waits reads for all.

Of the threads that wait for a call on a channel one leads: it reads, and hands out what comes. The others
follow, asleep; one of them is woken to lead when the leader has its own answer. So a call costs no switch
of threads, and no two read at once.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterable
from socket import MSG_DONTWAIT
from time import monotonic, perf_counter

from devkit_core.errors import DevKitError
from devkit_core.workers.blocking_call import BlockingCall, Waiter
from devkit_core.workers.deadlines import TICK
from devkit_core.workers.loop_channel import LoopChannel

__all__ = ["BlockingChannel"]

#: marks where nothing was read: a frame never begins so
_UNREAD = 0xFF
#: seconds that a follower sleeps at most, before it looks for an interrupt that was held back
_DOZE = 0.1
#: seconds that a leader looks for an answer before it sleeps, and the wait below which the next one does
_SPIN, _NEAR = 40e-6, 100e-6


class BlockingChannel(LoopChannel):
    """One worker's channel, for calls of many threads and of the event loop that owns it."""

    # -- calls of threads

    def start(self, calls: Iterable[BlockingCall]) -> bool:
        """Send calls, in one write; return False, and do nothing, where the worker is gone."""
        with self.guard:
            if self._left:
                return False
            try:
                self._out.corked = True
                for call in calls:
                    call.channel = self
                    self.connection.submit(call)
                self._out.corked = False
                self._out.flush()
            except BaseException:
                self._end()  # nobody knows what was done of it
                raise
            if self._kept and self._leader is not None:
                self._loop.call_soon_threadsafe(self._write_on)
        if self.interrupted:
            self._interrupt()
        return True

    def perform(self, call: BlockingCall) -> bool:
        """Send a call and wait until it has ended; return False, and do nothing, where the worker is gone."""
        try:
            with self.guard:
                if self._left:
                    return False
                call.channel = self
                try:
                    self.connection.submit(call)
                except BaseException:
                    self._end()
                    raise
                if leads := self._leader is None and not self._over:
                    self._leader = call
                elif self._kept:
                    self._loop.call_soon_threadsafe(self._write_on)
            if leads:
                self._lead(call, call.deadline)
        except BaseException:
            self._interrupted(call)
            call.give_up()
            raise
        if self.interrupted and self._is_interrupted():
            call.give_up()  # and raises it
        if not call.finished:
            call.wait()
        return True

    def wait(self, waiter: Waiter, deadline: float) -> None:
        """Lead or follow until a waiter is finished, it is time, or the channel is over."""
        try:
            while True:
                with self.guard:
                    self._followers.pop(waiter, None)
                    if waiter.finished or self._over or self._is_interrupted() or monotonic() >= deadline:
                        if self._leader is None:
                            self._pass_on()  # it may have been woken to lead
                        break
                    if leads := self._leader is None:
                        self._leader = waiter
                    else:
                        self._followers[waiter] = None
                        wake = waiter.lie_down()
                if leads:
                    self._lead(waiter, deadline)
                    break
                waiter.sleep(wake, min(deadline, monotonic() + _DOZE))
        except BaseException:
            self._interrupted(waiter)
            raise
        if self.interrupted:
            self._interrupt()
        if self._over and not waiter.finished:  # until the loop has taken the call over
            self._loop.call_soon_threadsafe(self._lose)
            waiter.sleep(waiter.lie_down(), monotonic() + TICK)

    def _is_interrupted(self) -> bool:
        return self.interrupted and threading.current_thread() is threading.main_thread()

    def _interrupt(self) -> None:
        """Raise the interrupt that was held back, if this is the thread that it is meant for."""
        if self._is_interrupted():
            self.interrupted = False
            raise KeyboardInterrupt

    def _lead(self, waiter: Waiter, deadline: float) -> None:
        """Read until a waiter is finished or it is time; it is the leader already."""
        guard, connection = self.guard, self.connection
        while True:
            try:
                if self._kept and not self._has_room():
                    continue
                room = connection.get_buffer(0)
                room[0] = _UNREAD
                count = self._look(room) if self._eager else self._sleep(room)
            except BlockingIOError:
                count = -1
            except OSError:
                count = 0
            with guard:
                if count > 0:
                    try:
                        connection.received(count)
                    except BaseException:
                        self._end()
                        raise
                elif not count:
                    self._end()
                elif frames := self.unwritten():
                    connection.take_unwritten(frames)
                if waiter.finished or self._over or self._is_interrupted() or monotonic() >= deadline:
                    self._leader = None
                    if self._followers or self._kept or self._wanted or self._over:
                        self._pass_on()
                    return

    def _look(self, room: memoryview) -> int:
        """Read without sleeping for as long as a plugin that was quick just now may take.

        The kernel takes longer to wake a thread than most calls take.
        """
        until = perf_counter() + _SPIN
        while perf_counter() < until:
            try:
                count = self._receive(room, 0, MSG_DONTWAIT)
            except BlockingIOError:
                continue
            self._patience.found()
            return count
        self._eager = False
        self._patience.in_vain()
        return self._receive(room)

    def _sleep(self, room: memoryview) -> int:
        if not self._patience.may_look():
            return self._receive(room)
        began = perf_counter()
        count = self._receive(room)
        self._eager = perf_counter() - began < _NEAR
        return count

    def _has_room(self) -> bool:
        """Write on what the socket had no room for; return whether there is something to read."""
        ready = self._poll.poll(TICK * 1000)
        with self.guard:
            self._out.flush()
        return not ready or bool(ready[0][1] & ~select.POLLOUT)

    def _interrupted(self, waiter: Waiter) -> None:
        """Leave no role behind."""
        with self.guard:
            if self._leader is waiter:
                room = self.connection.get_buffer(0)
                if len(room) < self._room or room[0] != _UNREAD:
                    self._end()  # bytes may have been read and not counted; what follows makes no sense
                self._leader = None
            self._followers.pop(waiter, None)
            if self._leader is None:
                self._pass_on()

    def give_up(self, call: BlockingCall, error: DevKitError | None) -> None:
        """End a call before its answer, and tell the worker; the loop looks after what it does then."""
        with self.guard:
            if call.channel is not self:
                call.give_up(error)
            elif not call.finished:
                call.end_early(error)
                if self.connection.sent.get(call.id) is call:
                    try:
                        self.connection.cancel(call, monotonic())
                    except BaseException:
                        self._end()
                        raise
                    self._loop.call_soon_threadsafe(self._look_after)
        if self.interrupted:
            self._interrupt()
