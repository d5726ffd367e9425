"""Scratch folders of instances; removal of what dead hosts left."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

from devkit_core.errors import Place, StateError

__all__ = ["ScratchRoot", "clear", "instance_folder", "removal", "remove"]

_LOCK = ".lock"
_STEP = 256  # files that are removed in one go, in about a millisecond


class ScratchRoot:
    """One folder a host, in the user's runtime folder; locked while the host lives.

    A lock dies with its process however that ends, so a folder whose lock is free belongs to nobody.
    """

    def __init__(self, runtime: Path) -> None:
        parent = runtime / "scratch"
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path, self._lock = _claimed(parent)
        except OSError as error:
            raise _unwritable(parent, error) from error
        with contextlib.suppress(OSError):  # the next host tries again
            self._sweep(parent)

    def _sweep(self, parent: Path) -> None:
        for folder in parent.iterdir():
            if folder == self.path:
                continue
            with contextlib.suppress(OSError):
                # one without a lock file was removed in part, or is only now being made: `_claimed` sees that
                fd = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove(folder)
                finally:
                    os.close(fd)

    def close(self) -> None:
        """Remove the folder; called when the host's instances have ended."""
        if self._lock >= 0:
            remove(self.path)
            os.close(self._lock)
            self._lock = -1


def _claimed(parent: Path) -> tuple[Path, int]:
    """Make a folder that no other host takes for left, and return it with its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix="host-", dir=parent))
        try:
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # another host was here first
            continue
        except OSError:
            path.rmdir()
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return path, lock
        except OSError:
            os.close(lock)
            raise
        os.close(lock)  # another host removed it between


def instance_folder(root: Path, plugin: str) -> Path:
    """Make a folder for an instance of a plugin; raises StateError."""
    try:
        return Path(tempfile.mkdtemp(prefix=f"{plugin}-", dir=root))
    except OSError as error:
        raise _unwritable(root, error) from error


def _unwritable(parent: Path, error: OSError) -> StateError:
    return StateError(
        f"no scratch folder can be made in {parent}: {error.strerror}",
        code="state-unwritable",
        place=Place(str(parent)),
        hint="make the folder writable, or set DEVKIT_HOME to one that is",
    )


def remove(folder: Path) -> None:
    """Remove a folder that a plugin filled; what can't be removed stays."""
    for _ in removal(folder):
        pass


async def clear(folder: Path) -> None:
    """Remove an instance's folder, and let others have their turns however much is in it."""
    steps = removal(folder)
    try:
        for _ in steps:
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        for _ in steps:  # nothing is left behind
            pass
        raise


def removal(folder: Path) -> Iterator[None]:
    """Remove a folder that a plugin filled, a step at a time; what can't be removed stays.

    It may hold any number of files, at any depth. What lies in a subfolder is moved up before the
    subfolder goes, which takes no stack, no long paths and few descriptors.
    """
    with contextlib.suppress(OSError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield from _emptying(top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _emptying(top: int) -> Iterator[None]:
    prefix = secrets.token_hex(8)  # which no plugin's own name begins with
    moved = 0
    while names := (yield from _without_files(top)):
        for name in names:
            os.chmod(name, 0o700, dir_fd=top)
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
            try:
                for inner in (yield from _without_files(folder)):
                    moved += 1
                    os.chmod(inner, 0o700, dir_fd=folder)  # only who may write to it may move it
                    os.rename(inner, f"{prefix}-{moved}", src_dir_fd=folder, dst_dir_fd=top)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=top)
            yield


def _without_files(folder: int) -> Generator[None, None, list[str]]:
    """Remove the files of a folder and return the names of its subfolders."""
    names = []
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries, 1):
            if entry.is_dir(follow_symlinks=False):
                names.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=folder)
            if number % _STEP == 0:
                yield
    return names
