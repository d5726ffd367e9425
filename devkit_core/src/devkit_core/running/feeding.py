"""Calls whose input comes from an iterator."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from devkit_core.errors import PayloadTooLarge
from devkit_core.workers.feeding import FedCall

if TYPE_CHECKING:
    from devkit_core.running.supervisor import Supervisor

__all__ = ["Pieces", "awake", "collect", "fed", "gives_pieces", "pulled", "takes_pieces"]

T = TypeVar("T")

#: an input in pieces
Pieces = Iterator[str | bytes] | AsyncIterator[str | bytes]


def takes_pieces(supervisor: Supervisor) -> bool:
    """Say whether `execute` takes its input in pieces; between two instances, whether the last one did."""
    if members := supervisor.crew.members:
        supervisor.takes_pieces = 0 in members[0].instance.inputs
    return supervisor.takes_pieces


async def awake(supervisor: Supervisor) -> None:
    """Start a plugin that rests: only one that runs says how it takes its input. Raises what stopped it."""
    if supervisor.resting and supervisor.wake is not None:
        await supervisor.wake()


def gives_pieces(input: Any) -> TypeGuard[Pieces]:
    """Say whether an input is an iterator, of either kind: a list is none, `iter(list)` is."""
    return hasattr(input, "__next__") or hasattr(input, "__anext__")


async def _each(source: Pieces) -> AsyncGenerator[str | bytes, None]:
    """Yield what a source gives; a generator is closed at the end, as nobody else has it."""
    try:
        if isinstance(source, AsyncIterator):
            async for piece in source:
                yield piece
        else:
            for piece in source:
                yield piece
                await asyncio.sleep(0)  # a source that never waits must not keep the loop
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
        elif isinstance(source, Generator):
            source.close()


async def pulled(source: Iterator[T]) -> AsyncGenerator[T, None]:
    """Yield what an iterator gives that may wait, as for a terminal: it runs in a thread of its own.

    The thread is a daemon: where it waits for ever, nothing waits for it.
    """
    loop = asyncio.get_running_loop()
    wanted: SimpleQueue[asyncio.Future[tuple[T, ...]] | None] = SimpleQueue()

    def settle(
        asked: asyncio.Future[tuple[T, ...]], found: tuple[T, ...], error: BaseException | None
    ) -> None:
        if not asked.done():
            if error is None:
                asked.set_result(found)
            else:
                asked.set_exception(error)

    def work() -> None:
        while (asked := wanted.get()) is not None:
            found: tuple[T, ...] = ()
            failed: BaseException | None = None
            try:
                found = (next(source),)
            except StopIteration:
                pass
            except BaseException as error:  # noqa: BLE001 - it is raised where the piece is waited for
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants it any more
                loop.call_soon_threadsafe(settle, asked, found, failed)
        if isinstance(source, Generator):
            source.close()

    threading.Thread(target=work, name="devkit input", daemon=True).start()
    try:
        while True:
            asked: asyncio.Future[tuple[T, ...]] = loop.create_future()
            wanted.put(asked)
            if not (found := await asked):
                return
            yield found[0]
    finally:
        wanted.put(None)


async def collect(source: Pieces, limit: int, what: str, hint: str) -> str | bytes:
    """Return all pieces as one: text where all are text. Raises PayloadTooLarge over the limit."""
    found: list[str | bytes] = []
    size = 0
    async with contextlib.aclosing(_each(source)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise PayloadTooLarge(f"{what} has over {limit:,} bytes", hint=hint)
            found.append(piece)
    texts = [each for each in found if isinstance(each, str)]
    if len(texts) == len(found):
        return "".join(texts)
    return b"".join(each.encode() if isinstance(each, str) else each for each in found)


async def fed(
    call: FedCall,
    source: Pieces,
    encode: Callable[[Any], tuple[bytes, bool]],
    submit: Callable[[FedCall], None],
) -> AsyncGenerator[str | bytes, None]:
    """Make a call with an input in pieces, and yield its answer as `PluginHandle.stream` does.

    What the source raises ends the call, and is raised here.
    """

    async def pieces() -> AsyncGenerator[tuple[bytes, bool], None]:
        async with contextlib.aclosing(_each(source)) as items:
            async for item in items:
                yield encode(item)

    async def feed() -> None:
        try:
            async with contextlib.aclosing(pieces()) as items:
                await call.feed(items)
        except Exception as error:  # noqa: BLE001 - whatever a source raises is raised where it is waited for
            if not call.done():
                if call.abandon is not None:
                    call.abandon(call)
                call.set_exception(error)

    feeding = asyncio.ensure_future(feed())
    submit(call)
    try:
        while (item := await call.next()) is not None:
            yield item.value
    finally:
        feeding.cancel()
        if not call.done():
            call.cancel()
        elif not call.cancelled():
            call.exception()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
