"""Does one thing for many plugins, each after those it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devkit_core.catalog.offers import Available

__all__ = ["together"]

_AT_ONCE = 8  # a load waits for its worker more than it uses the processor


async def together(plugins: Sequence[Available], do: Callable[[Available], Awaitable[None]]) -> None:
    """Do it for plugins that stand in the order of loading, and return when all is done.

    One waits for those that it needs, of those here. What is raised ends the others, and is raised here.
    """
    if len(plugins) == 1:
        await do(plugins[0])
        return
    gate = asyncio.Semaphore(_AT_ONCE)
    tasks: dict[str, asyncio.Task[None]] = {}

    async def in_turn(plugin: Available) -> None:
        if before := {tasks[need.id] for need in plugin.needs if need.id in tasks}:
            await asyncio.wait(before)
        async with gate:
            await do(plugin)

    try:
        for each in plugins:
            tasks[each.id] = asyncio.create_task(in_turn(each))
        await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
