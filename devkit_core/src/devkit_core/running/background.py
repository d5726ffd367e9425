"""An event loop in a thread of its own, for programs without one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from devkit_core.errors import LoadError, UsageError

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """Runs coroutines for other threads, also for threads that run an event loop of their own.

    The thread is a daemon: a program that ends without `close` isn't held up.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._closing = threading.Lock()
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine and return its future; raises LoadError once closed."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise LoadError("the manager is closed", code="manager-closed") from None

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return what it returns; an interrupt of the wait cancels it.

        Raises UsageError where the loop's own thread waits: it would wait for itself for ever.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise UsageError(
                "a blocking call from the manager's own thread, as in a callback",
                code="blocking-in-callback",
                hint="hand the work to another thread",
            )
        future = self.start(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise LoadError("the manager was closed during the call", code="manager-closed") from None
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Call a plain function in the loop's thread and return what it returns."""

        async def run() -> T:
            return function(*arguments, **named)

        return self.wait(run())

    def finish(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine that tidies up: without a wait in the loop's own thread, not at all once closed."""
        with contextlib.suppress(LoadError):
            if threading.current_thread() is self._thread:
                self.start(coroutine)
            else:
                self.wait(coroutine)

    def close(self) -> None:
        """End the loop and its thread; may be called again, by any thread but its own."""
        with self._closing:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
