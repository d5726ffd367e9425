"""Lines for a plugin, from a file or a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

from devkit_core.errors import Place, UsageError

__all__ = ["InputLines"]

_CHUNK = 1 << 16


class InputLines:
    """The lines of a file, or of standard input for `-`, without their line ends.

    One that is longer than `limit` bytes comes as None. `read` counts the bytes so far, `size` is the
    file's, None of a pipe. Raises UsageError where it can't be read.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._limit = limit
        self._own = path != "-"
        if not self._own:
            if sys.stdin is None:
                raise UsageError(
                    "the input is to be read from standard input, which is closed", code="input-closed"
                )
            self._descriptor = sys.stdin.fileno()
        else:
            try:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                os.read(self._descriptor, 0)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise UsageError(
                    f"the input can't be read: {reason}", code="input-unreadable", place=Place(path)
                ) from error
        self.size = os.fstat(self._descriptor).st_size or None
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes | None]:
        kept = bytearray()
        skipping = False  # the rest of a line that is too long
        while chunk := await self._chunk():
            self.read += len(chunk)
            *whole, rest = chunk.split(b"\n")
            for part in whole:
                line = bytes(kept) + part
                kept.clear()
                yield None if skipping or len(line) > self._limit else line.removesuffix(b"\r")
                skipping = False
            kept += rest
            if len(kept) > self._limit:
                kept.clear()
                skipping = True
        if kept or skipping:
            yield None if skipping else bytes(kept).removesuffix(b"\r")

    async def _chunk(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, ready.set)
        except PermissionError:  # a file, which never has to be waited for
            await asyncio.sleep(0)
            return os.read(self._descriptor, _CHUNK)
        try:
            await ready.wait()
            return os.read(self._descriptor, _CHUNK)
        finally:
            loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._own:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
