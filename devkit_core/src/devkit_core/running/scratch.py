"""Scratch folders of instances; removal of what dead hosts left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from devkit_core.errors import StateError

__all__ = ["ScratchRoot"]

_LOCK = ".lock"


class ScratchRoot:
    """One folder a host, in the user's runtime folder; locked while the host lives.

    A lock dies with its process however that ends, so a folder whose lock is free belongs to nobody.
    """

    def __init__(self, runtime: Path) -> None:
        parent = runtime / "scratch"
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix="host-", dir=parent))
            self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"no scratch folder can be made in {parent}: {error.strerror}",
                code="state-unwritable",
                hint="make the folder writable, or set DEVKIT_HOME to one that is",
            ) from error
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._sweep(parent)

    def _sweep(self, parent: Path) -> None:
        for folder in parent.iterdir():
            if folder == self.path:
                continue
            with contextlib.suppress(OSError):
                # a host that is only now starting has no lock file yet: it is left alone
                fd = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(fd)

    def close(self) -> None:
        """Remove the folder; called when the host's instances have ended."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1
