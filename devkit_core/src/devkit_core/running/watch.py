"""Watches folders on disk and tells which paths changed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from devkit_core.errors import LoadError

__all__ = ["FolderWatch", "available", "demand"]

_STEP = 100  # milliseconds between looks at what the system reported


def available() -> bool:
    """Say whether folders can be watched: whether `watchfiles` is installed. Imports nothing."""
    return importlib.util.find_spec("watchfiles") is not None


def demand() -> None:
    """Raise LoadError where folders can't be watched."""
    if not available():
        raise LoadError(
            "plugins can't be watched: watchfiles is not installed",
            code="watch-unavailable",
            hint='pip install "devkit-core[reload]"',
        )


class FolderWatch:
    """Watches folders with all that is in them, and for the folders themselves being replaced.

    `changed` gets the paths that changed, some milliseconds later, and once an empty set as soon as it is
    sure that nothing that comes is missed; `failed` gets why the system can't watch. Both are called in
    the loop that the watch was made in. Threads of its own do the waiting, and import `watchfiles` there,
    since that takes a while.
    """

    def __init__(
        self, folders: Iterable[Path], changed: Callable[[set[str]], None], failed: Callable[[str], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self._failed = failed
        self._stop = threading.Event()
        each = [str(folder) for folder in folders]
        inside = {os.path.realpath(path) for path in each if os.path.isdir(path)}
        beside = {os.path.dirname(path) for path in (*each, *map(os.path.realpath, each))}
        self._ended: list[asyncio.Future[None]] = []
        for paths, deep in ((inside, True), (set(filter(os.path.isdir, beside)), False)):
            if paths:
                ended = self._loop.create_future()
                given = sorted(paths), deep, ended
                threading.Thread(target=self._run, args=given, name="devkit-watch", daemon=True).start()
                self._ended.append(ended)

    def _run(self, paths: list[str], deep: bool, ended: asyncio.Future[None]) -> None:
        try:
            self._watch(paths, deep)
        finally:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(ended.set_result, None)

    def _watch(self, paths: list[str], deep: bool) -> None:
        from watchfiles import watch

        told = False
        try:
            for changes in watch(
                *paths,
                watch_filter=None,
                debounce=4 * _STEP,
                step=_STEP,
                rust_timeout=2 * _STEP,
                stop_event=self._stop,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=deep,
                ignore_permission_denied=True,
            ):
                if changes or not told:
                    told = True
                    self._tell(partial(self._changed, {path for _, path in changes}))
        except Exception as error:  # noqa: BLE001 - whatever the system says, the host goes on unwatched
            self._tell(partial(self._failed, str(error)))

    def _tell(self, function: Callable[[], None]) -> None:
        if not self._stop.is_set():
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(function)

    async def close(self) -> None:
        """Stop watching; returns when the threads have ended."""
        self._stop.set()
        if self._ended:  # no thread is joined in another: an interpreter that ends starts none
            await asyncio.wait(self._ended, timeout=2.0)
