"""A call that waits for its answer."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable, Generator, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from devkit_core.events.stats import TOGETHER
from devkit_core.protocol.messages import Failure, Result
from devkit_core.workers.failures import from_failure
from devkit_core.workers.unread import Unread

if TYPE_CHECKING:
    from devkit_core.events.stats import Tally
    from devkit_core.workers.host_calls import Link
    from devkit_core.workers.wakeups import Wakeups

__all__ = ["PendingCall", "PlainCall", "StreamingCall", "TextCall"]


_TEXT = Result(b"", True)  # stands for an answer that came decoded
_UNREAD = 65536  # items, beyond which empty ones are left out


class PendingCall:
    """One call on its way: `data` is UTF-8 where `text`; `deadline` is by `time.monotonic`.

    It outlives a worker: one that a dead worker had not started is submitted again. `abandon` is called
    where the caller stops waiting, and set by whoever carries the call. `notify` is called, once, at its
    end, in the loop's thread. `tally` counts it then. One task may await it: it is what asyncio calls
    future-like, and none itself, since making, awaiting and settling a subclass of `asyncio.Future` takes
    twice as long.
    """

    # what most calls never change is the class's, as making one is part of every call's time
    streams = False
    plain = False
    source: str | None = None
    id = 0
    attempts = 0
    admitted = False
    told = False
    trace = ""
    link: Link | None = None  # where another plugin made it
    abandon: Callable[[PendingCall], None] | None = None
    notify: Callable[[], object] | None = None
    answer: Result | None = None
    error: BaseException | None = None
    ended = False
    resume: Callable[[PendingCall], object] | None = None  # goes on with the task that waits
    context: contextvars.Context
    _asyncio_future_blocking = False

    def __init__(
        self,
        plugin: str,
        function: int,
        data: bytes,
        text: bool,
        seconds: float | None,
        loop: asyncio.AbstractEventLoop,
        tally: Tally | None = None,
    ) -> None:
        self.plugin = plugin
        self.function = function
        self.data = data
        self.size = len(data)
        self.text = text
        self.loop = loop
        self.began = now = monotonic()
        self.deadline = math.inf if seconds is None else now + seconds
        self.tally = tally

    def done(self) -> bool:
        """Whether it has ended, by an answer, an error or its caller."""
        return self.ended

    def cancelled(self) -> bool:
        """Whether its caller gave up."""
        return self.ended and self.answer is None and self.error is None

    def result(self) -> Result:
        """Return the answer, or raise what it ended with."""
        if self.answer is not None:
            return self.answer
        if self.error is not None:
            raise self.error
        raise asyncio.CancelledError if self.ended else asyncio.InvalidStateError("the call has not ended")

    def exception(self) -> BaseException | None:
        """Return the error it ended with, None where it was answered."""
        if self.error is None and self.answer is None:
            self.result()
        return self.error

    def set_result(self, result: Result) -> None:
        """End with an answer, unless it has ended."""
        if self.ended:
            return
        self.answer = result
        self.ended = True
        if (tally := self.tally) is not None:  # as `tally.answered` does, without calling it
            (fresh := tally.fresh).append((monotonic() - self.began, self.size, len(result[0])))
            if len(fresh) > TOGETHER:
                tally.sort()
        self._tell()

    def set_exception(self, exception: BaseException) -> None:
        """End with an error, unless it has ended."""
        if self.ended:
            return
        self.error = exception
        self.ended = True
        if self.tally is not None:
            self.tally.failed(self.began, self.size, getattr(exception, "code", "bug"))
        self._tell()

    def cancel(self, msg: Any | None = None) -> bool:
        """Give up; the plugin is told. False where it has ended already."""
        if self.ended:
            return False
        self.ended = True
        if self.abandon is not None:
            self.abandon(self)
        if self.tally is not None:
            self.tally.failed(self.began, self.size, "cancelled")
        self._tell()
        return True

    def _tell(self) -> None:
        if self.resume is not None:
            self._go_on()
        if self.notify is not None:
            self.notify()

    def _go_on(self) -> None:
        """Let the task that waits go on."""
        assert self.resume is not None
        self.loop.call_soon(self.resume, self, context=self.context)

    def fail(self, failure: Failure) -> None:
        """End with what the worker said."""
        self.set_exception(from_failure(failure, self.plugin))

    def set_text(self, text: str, size: int) -> None:
        """End with an answer that is decoded already, unless it has ended."""
        self.set_result(Result(text.encode(), True))

    def item(self, data: bytes, text: bool) -> None:
        """Take no single items: the answer is wanted whole."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that it belongs to, which a task asks."""
        return self.loop

    def add_done_callback(
        self, callback: Callable[[PendingCall], object], *, context: contextvars.Context | None = None
    ) -> None:
        """Take what resumes the task that waits."""
        self.resume = callback
        self.context = context if context is not None else contextvars.copy_context()

    def __await__(self) -> Generator[Any, None, Result]:
        if not self.ended:
            if self.resume is not None:
                raise RuntimeError("a task waits for this call already")
            self._asyncio_future_blocking = True
            yield self
        return self.result()


class PlainCall(PendingCall):
    """A call whose answer is wanted as the plugin gave it: text comes as `value`, and was never bytes."""

    plain = True
    tally: Tally
    value: str | None = None

    def __init__(
        self,
        plugin: str,
        function: int,
        data: bytes,
        text: bool,
        seconds: float,
        wakeups: Wakeups,
        tally: Tally,
    ) -> None:
        self.plugin = plugin
        self.function = function
        self.data = data
        self.size = len(data)
        self.text = text
        self.began = now = monotonic()
        self.deadline = now + seconds
        self.wakeups = wakeups
        self.tally = tally

    def set_text(self, text: str, size: int) -> None:
        """End with an answer of so many bytes that is decoded already, unless it has ended."""
        if self.ended:
            return
        self.value = text
        self.answer = _TEXT
        self.ended = True
        (fresh := self.tally.fresh).append((monotonic() - self.began, self.size, size))
        if len(fresh) > TOGETHER:
            self.tally.sort()
        if self.resume is not None:
            self.wakeups.add(self)

    def _go_on(self) -> None:
        self.wakeups.add(self)

    def result(self) -> str | bytes:  # type: ignore[override]  # as awaiting it gives
        """Return the answer as the plugin gave it, or raise what it ended with."""
        return self.value if self.value is not None else super().result().value

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that it belongs to, which a task asks."""
        return self.wakeups.loop

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, None, str | bytes]: ...  # type: ignore[override]


class TextCall(PlainCall):
    """A call of a long text in ASCII, which is only encoded where something wants its bytes.

    Each object of this size that isn't made saves more than its copy: the kernel gives the memory page by
    page.
    """

    def __init__(
        self,
        plugin: str,
        function: int,
        source: str,
        seconds: float,
        wakeups: Wakeups,
        tally: Tally,
    ) -> None:
        super().__init__(plugin, function, b"", True, seconds, wakeups, tally)
        self.source = source
        self.size = len(source)

    @property
    def data(self) -> bytes:
        """The text's bytes, made anew each time."""
        assert self.source is not None
        return self.source.encode()

    @data.setter
    def data(self, data: bytes) -> None: ...


class StreamingCall(PendingCall):
    """A call whose answer is read item by item; what isn't read yet holds the plugin up."""

    streams = True

    def __init__(
        self,
        plugin: str,
        function: int,
        data: bytes,
        text: bool,
        seconds: float | None,
        loop: asyncio.AbstractEventLoop,
        tally: Tally | None = None,
    ) -> None:
        super().__init__(plugin, function, data, text, seconds, loop, tally)
        self._items = Unread()
        self._wake: asyncio.Event = asyncio.Event()
        self._credit: Callable[[int, int], None] | None = None
        self.notify = self._wake.set

    def carried(
        self, credit: Callable[[int, int], None], write: Callable[[bytes], None], inputs: Mapping[int, int]
    ) -> None:
        """Learn from the channel how to give credit, by call id and bytes; the rest is for a `FedCall`."""
        self._credit = credit

    def item(self, data: bytes, text: bool) -> None:
        """Take one item."""
        if not data and len(self._items) >= _UNREAD:
            return  # credit is counted in bytes, so it doesn't bound items without any
        self._items.add(data, text)
        if self.tally is not None:
            self.tally.streamed(size_out=len(data))
        self._wake.set()

    async def next(self) -> Result | None:
        """Return the next item, or None at the end; raises what ended the call."""
        while True:
            if self._items:
                item = self._items.take()
                if self._credit is not None and not self.done():
                    self._credit(self.id, len(item.data))
                return item
            if self.done():
                rest = self.result()
                return Result(rest.data, rest.text) if self._take_rest(rest) else None
            self._wake.clear()
            await self._wake.wait()

    def _take_rest(self, rest: Result) -> bool:
        """Say, once, whether the final answer holds anything, as where the plugin doesn't stream."""
        if not rest.data or self.function < 0:
            return False
        self.function = -1
        return True
