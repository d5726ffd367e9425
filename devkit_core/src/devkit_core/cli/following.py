"""Streams of all running hosts as one, hosts that come later included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from devkit_core.errors import DevKitError, StateError
from devkit_core.running.control import Host, follow, hosts

__all__ = ["clock", "follow_hosts", "refusal"]

_LOOK = 0.5  # seconds between looks for new hosts
_BEHIND = 1000  # answers that are kept for a reader that is slow; then the hosts wait, and drop


def refusal(answer: Mapping[str, Any]) -> DevKitError | None:
    """Return the error that a host answered with, or None."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return None
    return DevKitError(
        str(error.get("message")),
        code=str(error.get("code")),
        hint=error.get("hint"),
        plugin=error.get("plugin"),
    )


def clock(moment: float) -> str:
    """Return a moment, in seconds since the epoch, as local time of the day."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S.%f")[:-3]


async def follow_hosts(
    runtime: Path, request: Mapping[str, Any]
) -> AsyncIterator[tuple[Host, Mapping[str, Any]]]:
    """Send one request to every host and yield what each answers, until the caller stops.

    Raises DevKitError where a host refuses the request. A host that ends is no error.
    """
    answers: asyncio.Queue[tuple[Host, Mapping[str, Any]]] = asyncio.Queue(_BEHIND)
    reading: dict[Path, asyncio.Task[None]] = {}

    async def read(host: Host) -> None:
        with suppress(StateError):  # it ended just now
            async for answer in follow(host, request):
                await answers.put((host, answer))

    async def look() -> None:
        while True:
            for host in hosts(runtime, known=reading):
                reading[host.path] = asyncio.create_task(read(host))
            await asyncio.sleep(_LOOK)

    looking = asyncio.create_task(look())
    try:
        while True:
            host, answer = await answers.get()
            if (error := refusal(answer)) is not None:
                raise error
            yield host, answer
    finally:
        tasks = [looking, *reading.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
