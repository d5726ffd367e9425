"""Calls of threads that wait, and their wait."""

from __future__ import annotations

import asyncio
import contextlib
import math
from _thread import LockType, allocate_lock
from time import monotonic
from typing import TYPE_CHECKING

from devkit_core.errors import DevKitError, LoadError
from devkit_core.protocol.messages import Failure, Result
from devkit_core.workers.death import overdue
from devkit_core.workers.failures import from_failure
from devkit_core.workers.pending import PendingCall

if TYPE_CHECKING:
    from devkit_core.events.stats import Tally
    from devkit_core.workers.blocking_channel import BlockingChannel

__all__ = ["BlockingCall", "CallGroup", "Waiter"]

_TEXT = Result(b"", True)  # stands for an answer that came decoded
_LONGEST = 3600.0  # seconds of one sleep: a lock takes no infinite timeout


class Waiter:
    """What one thread waits for: until it is `finished`, which other threads set before they wake it.

    There is no lock around it: whoever finishes it first sets `finished` and then looks for `wake`, who
    waits first makes `wake` and then looks at `finished`.
    """

    finished = False
    wake: LockType | None = None

    def rouse(self) -> None:
        """Wake the thread, to find its outcome or to do something for all."""
        wake, self.wake = self.wake, None
        if wake is not None:
            with contextlib.suppress(RuntimeError):  # two threads may rouse it at once
                wake.release()

    def lie_down(self) -> LockType:
        """Make what it sleeps on: from now on it can be roused."""
        wake = self.wake = allocate_lock()
        wake.acquire()
        return wake

    def sleep(self, wake: LockType, deadline: float) -> None:
        """Sleep until roused, or until this moment of `time.monotonic`."""
        if not self.finished:
            wake.acquire(True, min(max(deadline - monotonic(), 0.0), _LONGEST))
        self.wake = None


class CallGroup(Waiter):
    """Calls whose thread waits for any of them; it takes `finished` back before it looks at them."""


class BlockingCall(Waiter):
    """One call of a thread that waits for it, or for its `group`.

    `deadline` is by `time.monotonic`, as a selector loop's clock. `channel` carries it; where none does,
    `proxy` is what stands for it in the event loop.
    """

    # what most calls never change is the class's, as making one is part of every call's time
    streams = False
    plain = True
    source: str | None = None
    value: str | None = None  # an answer that came decoded
    finished = False
    wake: LockType | None = None
    id = 0
    attempts = 0
    admitted = False
    told = False
    trace = ""
    position = 0  # among the inputs of a map
    channel: BlockingChannel | None = None
    proxy: PendingCall | None = None
    answer: Result | None = None
    error: BaseException | None = None

    def __init__(
        self,
        plugin: str,
        function: int,
        data: bytes,
        text: bool,
        seconds: float,
        tally: Tally,
        group: CallGroup | None = None,
    ) -> None:
        self.plugin = plugin
        self.function = function
        self.data = data
        self.size = len(data)
        self.text = text
        self.began = now = monotonic()
        self.deadline = now + seconds
        self.tally = tally
        self.group = group

    def done(self) -> bool:
        """Whether it has ended."""
        return self.finished

    def result(self) -> Result:
        """Return the answer, or raise what it ended with."""
        if self.answer is None:
            assert self.error is not None
            raise self.error
        return self.answer if self.value is None else Result(self.value.encode(), True)

    def given(self) -> str | bytes:
        """Return the answer as the plugin gave it, or raise what it ended with."""
        return self.result().value if self.value is None else self.value

    def set_result(self, result: Result) -> None:
        """End with an answer, unless it has ended."""
        if self.finished:
            return
        self.answer = result
        self.tally.answered(self.began, self.size, len(result.data))
        self._finish()

    def _finish(self) -> None:
        self.finished = True
        if self.wake is not None:
            self.rouse()
        if (group := self.group) is not None:
            group.finished = True
            if group.wake is not None:
                group.rouse()

    def set_text(self, text: str, size: int) -> None:
        """End with an answer of so many bytes that is decoded already, unless it has ended."""
        if self.finished:
            return
        self.value = text
        self.answer = _TEXT
        self.tally.answered(self.began, self.size, size)
        self._finish()

    def set_exception(self, error: BaseException) -> None:
        """End with an error, unless it has ended."""
        if self.finished:
            return
        self.error = error
        self.tally.failed(self.began, self.size, getattr(error, "code", "bug"))
        self.finished = True
        self.rouse()
        if self.group is not None:
            self.group.finished = True
            self.group.rouse()

    def fail(self, failure: Failure) -> None:
        """End with what the worker said."""
        self.set_exception(from_failure(failure, self.plugin))

    def item(self, data: bytes, text: bool) -> None:
        """Take no single items: the answer is wanted whole."""

    def arm(self, deadline: float) -> None:
        """Let its time run out then, where it had no limit yet."""
        if self.deadline == math.inf:
            self.deadline = deadline
            if self.proxy is not None:
                self.proxy.deadline = deadline

    def hand_over(self, loop: asyncio.AbstractEventLoop) -> PendingCall:
        """Return what stands for it in the event loop from now on; its outcome becomes this call's."""
        proxy = PendingCall(self.plugin, self.function, self.data, self.text, None, loop)
        proxy.deadline = self.deadline
        proxy.attempts = self.attempts
        proxy.told = self.told
        proxy.notify = lambda: self._proxy_ended(proxy)
        self.channel = None
        self.proxy = proxy
        return proxy

    def _proxy_ended(self, proxy: PendingCall) -> None:
        error = (
            LoadError("the manager was closed during the call", code="manager-closed", plugin=self.plugin)
            if proxy.cancelled()
            else proxy.exception()
        )
        if self.finished:
            return
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(proxy.result())

    def give_up(self, error: DevKitError | None = None) -> None:
        """End it, unless it has: its time is over or, without `error`, nobody waits any more."""
        channel, proxy = self.channel, self.proxy
        if channel is not None:
            channel.give_up(self, error)
        elif not self.finished:
            self.end_early(error)
            if proxy is not None:
                proxy.loop.call_soon_threadsafe(proxy.cancel)

    def end_early(self, error: DevKitError | None) -> None:
        """Note an end that the plugin did not bring."""
        if error is not None:
            self.set_exception(error)
            return
        self.finished = True
        self.tally.failed(self.began, self.size, "cancelled")

    def wait(self) -> None:
        """Wait until it has ended, by an answer, an error or its deadline; an interrupt cancels it."""
        try:
            wait(self, self, self.deadline)
            if not self.finished:
                self.give_up(overdue(self.plugin))
        except BaseException:
            self.give_up()
            raise


def wait(waiter: Waiter, call: BlockingCall, deadline: float) -> None:
    """Wait for a waiter until then, on the channel of a call that finishes it."""
    while not waiter.finished and monotonic() < deadline:
        if (channel := call.channel) is not None:
            channel.wait(waiter, deadline)
        else:
            waiter.sleep(waiter.lie_down(), deadline)
