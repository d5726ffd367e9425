"""A call that waits for its answer, as a future."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from devkit_core.errors import (
    DevKitError,
    ExecutionError,
    FunctionMissing,
    PayloadTooLarge,
    PluginRaised,
    ResourceExhausted,
)
from devkit_core.protocol.messages import Failure, Result

if TYPE_CHECKING:
    from devkit_core.events.stats import Tally

__all__ = ["PendingCall", "StreamingCall", "from_failure"]


_UNREAD = 65536  # items, beyond which empty ones are left out

_set_result = asyncio.Future.set_result
_set_exception = asyncio.Future.set_exception


class PendingCall(asyncio.Future[Result]):
    """One call on its way: `data` is UTF-8 where `text`; `deadline` is by the loop's clock.

    It outlives a worker: one that a dead worker had not started is submitted again. `abandon` is called
    where the caller stops waiting, and set by whoever carries the call. `tally` counts it at its end.
    """

    __slots__ = (
        "abandon",
        "attempts",
        "began",
        "data",
        "deadline",
        "function",
        "id",
        "plugin",
        "tally",
        "text",
    )
    streams: bool = False

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
        super().__init__(loop=loop)
        self.plugin = plugin
        self.function = function
        self.data = data
        self.text = text
        self.deadline = math.inf if seconds is None else loop.time() + seconds
        self.id = 0
        self.attempts = 0
        self.abandon: Callable[[PendingCall], None] | None = None
        self.began = monotonic()
        self.tally = tally

    def set_result(self, result: Result) -> None:
        """End with an answer."""
        _set_result(self, result)
        if (tally := self.tally) is not None:
            tally.answered(self.began, len(self.data), len(result.data))

    def set_exception(self, exception: type | BaseException) -> None:
        """End with an error."""
        _set_exception(self, exception)
        if (tally := self.tally) is not None:
            tally.failed(self.began, len(self.data), getattr(exception, "code", "bug"))

    def cancel(self, msg: Any | None = None) -> bool:
        """Give up; the plugin is told."""
        if self.abandon is not None and not self.done():
            self.abandon(self)
        cancelled = super().cancel(msg)
        if cancelled and self.tally is not None:
            self.tally.failed(self.began, len(self.data), "cancelled")
        return cancelled

    def fail(self, failure: Failure) -> None:
        """End with what the worker said."""
        self.set_exception(from_failure(failure, self.plugin))

    def item(self, data: bytes, text: bool) -> None:
        """Take no single items: the answer is wanted whole."""


class StreamingCall(PendingCall):
    """A call whose answer is read item by item; what isn't read yet holds the plugin up."""

    __slots__ = ("_credit", "_items", "_wake")
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
        self._items: deque[Result] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self._credit: Callable[[int, int], None] | None = None
        self.add_done_callback(lambda _: self._wake.set())

    def carried(self, credit: Callable[[int, int], None]) -> None:
        """Learn how to give the plugin credit: by call id and bytes."""
        self._credit = credit

    def item(self, data: bytes, text: bool) -> None:
        """Take one item."""
        if not data and len(self._items) >= _UNREAD:
            return  # credit is counted in bytes, so it doesn't bound items without any
        self._items.append(Result(data, text))
        if self.tally is not None:
            self.tally.bytes_out += len(data)
        self._wake.set()

    async def next(self) -> Result | None:
        """Return the next item, or None at the end; raises what ended the call."""
        while True:
            if self._items:
                item = self._items.popleft()
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


_CLASSES: dict[str, type[ExecutionError]] = {
    "memory-limit": ResourceExhausted,
    "payload-too-large": PayloadTooLarge,
    "function-missing": FunctionMissing,
    "input-not-text": ExecutionError,
    "input-not-json": ExecutionError,
    "input-has-nul": ExecutionError,
    "result-null": ExecutionError,
    "result-type": ExecutionError,
    "result-not-text": ExecutionError,
    "cancelled": ExecutionError,
}


def from_failure(failure: Failure, plugin: str) -> DevKitError:
    """Return the error for what a worker said; a code that no worker may give is the plugin's own error."""
    if (kind := _CLASSES.get(failure.code)) is not None:
        return kind(failure.message, code=failure.code, hint=failure.hint, plugin=plugin)
    message = f"{failure.kind}: {failure.message}" if failure.kind and failure.message else failure.message
    return PluginRaised(
        message or failure.kind or "the plugin raised",
        kind=failure.kind,
        traceback=failure.traceback,
        hint=failure.hint,
        plugin=plugin,
    )
