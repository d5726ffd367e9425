"""A thread for one thing at a time, which can be left."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Lane"]

T = TypeVar("T")


class Lane(Generic[T]):
    """Runs `work` on each thing given to it, in order, on a thread that starts with the first.

    `done` is called in the event loop's thread with the thing, the result and the exception. The thread
    is a daemon: one that hangs outside of Python never keeps the host from ending.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[T], object],
        done: Callable[[T, object, BaseException | None], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._name = name
        self._work = work
        self._done = done
        self._loop = loop
        self._things: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def give(self, thing: T) -> None:
        """Do this next."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._things.put(thing)

    def _run(self) -> None:
        while (thing := self._things.get()) is not None:
            result: object = None
            error: BaseException | None = None
            try:
                result = self._work(thing)
            except BaseException as raised:  # noqa: BLE001 - handed on
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
                self._loop.call_soon_threadsafe(self._done, thing, result, error)
            del thing, result, error

    def stop(self) -> None:
        """End the thread after what it does now; doesn't wait."""
        self._things.put(None)

    async def ended(self, seconds: float) -> bool:
        """Wait until the thread is gone, at most this long, and say whether it is."""
        until = self._loop.time() + seconds
        while self._thread is not None and self._thread.is_alive():
            if self._loop.time() > until:
                return False
            await asyncio.sleep(0.002)
        return True
