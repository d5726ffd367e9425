"""Runs one plugin over many inputs, with a bounded number in flight."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from time import monotonic
from typing import Any, NamedTuple

from devkit_core.errors import CallTimeout, DevKitError, UsageError
from devkit_core.loading.call import Result
from devkit_core.workers.admission import Share
from devkit_core.workers.pending import PendingCall

__all__ = ["IN_FLIGHT", "REPLACEMENT", "WINDOW", "Outcome", "check_bound", "map_calls"]

#: calls of one map that are in flight where nobody says otherwise
IN_FLIGHT = 64
#: seconds more for the call behind one whose time ran out: its worker may have to be ended and replaced
REPLACEMENT = 1.0
#: bytes of input in flight, beyond which no further input is taken, however few calls they are
WINDOW = 32 << 20


class Outcome(NamedTuple):
    """What became of one input: `position` counts inputs from 0; `value`, or else `error`."""

    position: int
    value: str | bytes | None
    error: DevKitError | None

    @property
    def ok(self) -> bool:
        """Whether the plugin answered."""
        return self.error is None

    def result(self) -> str | bytes:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        assert self.value is not None
        return self.value


def check_bound(in_flight: int) -> None:
    """Raise UsageError where a map could have nothing in flight."""
    if in_flight < 1:
        raise UsageError(f"in_flight is {in_flight}; at least one call has to be in flight")


class _Pending:
    """One input on its way."""

    __slots__ = ("answer", "position", "size")

    def __init__(self, position: int, size: int, answer: PendingCall | asyncio.Future[Result]) -> None:
        self.position = position
        self.size = size
        self.answer = answer

    def outcome(self) -> Outcome:
        try:
            return Outcome(self.position, self.answer.result().value, None)
        except DevKitError as error:
            return Outcome(self.position, None, error)


class _Inputs:
    """Inputs pulled one at a time, from an iterator that may have to be awaited."""

    def __init__(self, inputs: Iterable[Any] | AsyncIterable[Any], wake: Callable[[], None]) -> None:
        self._plain: Iterator[Any] | None = None
        self._awaited: AsyncIterator[Any] | None = None
        if isinstance(inputs, AsyncIterable):
            self._awaited = aiter(inputs)
        else:
            self._plain = iter(inputs)
        self._wake = wake
        self._pull: asyncio.Task[Any] | None = None
        self.ended = False

    def take(self) -> tuple[Any, ...]:
        """Return the next input alone in a tuple, or nothing where there is none now."""
        try:
            if self._plain is not None:
                return (next(self._plain),)
            if self._pull is None:
                self._pull = asyncio.ensure_future(self._next())
                self._pull.add_done_callback(lambda _: self._wake())
            if not self._pull.done():
                return ()
            pull, self._pull = self._pull, None
            return (pull.result(),)
        except (StopIteration, StopAsyncIteration):
            self.ended = True
            return ()

    async def _next(self) -> Any:
        assert self._awaited is not None
        return await anext(self._awaited)

    async def close(self) -> None:
        """Pull no more."""
        if self._pull is not None:
            self._pull.cancel()
            await asyncio.wait({self._pull})
        if self._awaited is not None and hasattr(self._awaited, "aclose"):
            await self._awaited.aclose()


async def map_calls(
    begin: Callable[[Any], tuple[int, PendingCall | asyncio.Future[Result]]],
    inputs: Iterable[Any] | AsyncIterable[Any],
    seconds: Callable[[], float],
    *,
    ordered: bool,
    in_flight: int,
    share: Share | None = None,
) -> AsyncGenerator[Outcome, None]:
    """Yield an outcome for every input, in the inputs' order or as they come.

    `begin` starts a call and returns the size of its input; it may raise DevKitError, which is that
    input's outcome. An answer that has a `deadline` gets one, `seconds()` from when it is the oldest that
    is unanswered: a plugin that takes one call at a time works on no other. Inputs are pulled one by one,
    and none while `in_flight` are unanswered or not taken yet, or while much waits of the plugin's `share`.
    Leaving early cancels what is in flight.
    """
    check_bound(in_flight)
    loop = asyncio.get_running_loop()
    wake = asyncio.Event()
    source = _Inputs(inputs, wake.set)
    pending: list[_Pending] = []
    held = position = 0
    more = 0.0
    try:
        while True:
            wake.clear()
            if share is not None and not pending:
                await share.opened()
            while (
                not source.ended
                and len(pending) < in_flight
                and held < WINDOW
                and (share is None or share.is_open())
            ):
                if not (taken := source.take()):
                    break
                try:
                    size, answer = begin(taken[0])
                except DevKitError as error:
                    size, answer = 0, loop.create_future()
                    answer.set_exception(error)
                pending.append(_Pending(position, size, answer))
                if not isinstance(answer, PendingCall):
                    answer.add_done_callback(lambda _: wake.set())
                elif answer.ended:
                    wake.set()
                else:
                    answer.notify = wake.set
                held += size
                position += 1
            if finished := _take_finished(pending, ordered):
                for each in finished:
                    held -= each.size
                    outcome = each.outcome()
                    more = REPLACEMENT if isinstance(outcome.error, CallTimeout) else 0.0
                    yield outcome
                continue
            if not pending and source.ended:
                return
            if not pending and share is not None and not share.is_open():
                continue
            oldest = pending[0].answer if pending else None
            if isinstance(oldest, PendingCall) and oldest.deadline == math.inf:
                oldest.deadline = monotonic() + seconds() + more
            await wake.wait()
    finally:
        for each in pending:
            if not each.answer.cancel() and not each.answer.cancelled():
                each.answer.exception()  # seen, so that nothing warns of it
        await source.close()


def _take_finished(pending: list[_Pending], ordered: bool) -> list[_Pending]:
    """Take out the calls whose outcome may be told; the first that stays is unanswered."""
    if ordered:
        count = next((n for n, each in enumerate(pending) if not each.answer.done()), len(pending))
        finished = pending[:count]
        del pending[:count]
    else:
        finished = [each for each in pending if each.answer.done()]
        if finished:
            pending[:] = [each for each in pending if not each.answer.done()]
    return finished
