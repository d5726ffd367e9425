"""Runs one coroutine; the first Ctrl-C ends it, the second kills."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run"]

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a loop of its own and return what it returns.

    SIGINT and SIGTERM cancel it once, so that plugins are shut down and workers ended; a second one has
    its plain effect, which is to kill this process. Raises KeyboardInterrupt where it was cancelled so.
    """
    return asyncio.run(_interruptible(main))


async def _interruptible(main: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(number, interrupt)
    try:
        return await task
    except BaseException:
        if interrupted:  # a terminal's Ctrl-C reaches the workers too, so their end may be told first
            raise KeyboardInterrupt from None
        raise
    finally:
        if not interrupted:
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.remove_signal_handler(number)
