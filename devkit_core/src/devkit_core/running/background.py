"""An event loop in its own thread, for programs without one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from devkit_core.errors import LoadError, Overloaded, UsageError

__all__ = ["Background", "in_thread"]

T = TypeVar("T")

_THREADS = 256  # of one function


class Background:
    """Runs coroutines for other threads, also for threads that run an event loop of their own.

    The thread is a daemon: a program that ends without `close` isn't held up.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.SelectorEventLoop()  # threads compare its clock with time.monotonic
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._closing = threading.Lock()
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            if left:
                self.loop.run_until_complete(asyncio.wait(left))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
        finally:
            self.loop.close()

    @property
    def ident(self) -> int:
        """The loop's thread, as `threading.get_ident` says there."""
        assert self._thread.ident is not None
        return self._thread.ident

    @property
    def is_current(self) -> bool:
        """Whether this is the loop's own thread, which must not wait."""
        return threading.current_thread() is self._thread

    @staticmethod
    def blocked() -> UsageError:
        """Return the error of a wait in the loop's own thread: it would wait for itself for ever."""
        return UsageError(
            "a blocking call from the manager's own thread, as in a callback",
            code="blocking-in-callback",
            hint="hand the work to another thread",
        )

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function in the loop's thread, without a wait; raises LoadError once closed."""
        try:
            self.loop.call_soon_threadsafe(function)
        except RuntimeError:
            raise _closed() from None

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine and return its future; raises LoadError once closed."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise _closed() from None

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return what it returns; an interrupt of the wait cancels it.

        Raises UsageError where the loop's own thread waits.
        """
        if self.is_current:
            coroutine.close()
            raise self.blocked()
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
            if self.is_current:
                self.start(coroutine)
            else:
                self.wait(coroutine)

    def close(self) -> None:
        """End the loop and its thread; may be called again, by any thread but its own."""
        with self._closing:
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()


def in_thread(function: Callable[[Any], T]) -> Callable[[Any], Awaitable[T]]:
    """Return a function that runs another one in a thread of its own, where it may wait.

    So many threads run at once, and those count that nobody waits for any more; then it raises Overloaded.
    """
    running, counting = 0, threading.Lock()

    async def run(value: Any) -> T:
        nonlocal running
        if running >= _THREADS:
            raise Overloaded(f"{_THREADS} calls of this function of the host's have not ended yet")
        done: Future[T] = Future()
        done.set_running_or_notify_cancel()  # a thread can't be stopped where nobody waits for it any more

        def work() -> None:
            nonlocal running
            try:
                done.set_result(function(value))
            except BaseException as error:  # noqa: BLE001 - it is raised where the thread is waited for
                done.set_exception(error)
            finally:
                with counting:
                    running -= 1

        with counting:
            running += 1
        threading.Thread(target=work, daemon=True).start()
        return await asyncio.wrap_future(done)

    return run


def _closed() -> LoadError:
    return LoadError("the manager is closed", code="manager-closed")
