"""Files read within bounds and replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["NotRegular", "TooLarge", "read_bounded", "read_own", "replace_file"]


class NotRegular(OSError):
    """Something that is no regular file stands where one is read."""


class TooLarge(OSError):
    """A file has more bytes than its reader takes."""


def read_bounded(path: Path, limit: int, *, follow: bool = True) -> tuple[bytes, os.stat_result]:
    """Return a regular file's bytes and what it was when read, from one descriptor.

    Never waits on a fifo or a device. Raises OSError; NotRegular and TooLarge are kinds of it. With
    `follow` False a symbolic link at the path itself is NotRegular.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    if not follow:
        if stat.S_ISLNK(os.lstat(path).st_mode):
            raise NotRegular(f"{path} is a symbolic link")
        flags |= os.O_NOFOLLOW
    descriptor = os.open(path, flags)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise NotRegular(f"{path} is not a regular file")
        if facts.st_size > limit:
            raise TooLarge(f"{path} has {facts.st_size} bytes; {limit} is the limit")
        pieces: list[bytes] = []
        left = limit + 1
        while left and (piece := os.read(descriptor, min(left, 1 << 20))):
            pieces.append(piece)
            left -= len(piece)
        if not left:
            raise TooLarge(f"{path} grew beyond {limit} bytes")
        return b"".join(pieces), facts
    finally:
        os.close(descriptor)


def read_own(path: Path, limit: int) -> bytes | None:
    """Return the bytes of a cache file that this user alone can have written, or None."""
    try:
        data, facts = read_bounded(path, limit, follow=False)
    except OSError:
        return None
    if facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    return data


def replace_file(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace a file's content in one step; readers see the old or the new, never a part.

    Makes the folder, 0700, where it is missing. `durable` waits until the disk has it. Raises OSError and
    then leaves the old file as it was.
    """
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
