"""Collects a plugin's folder, and packs it the same way every time."""

from __future__ import annotations

import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from devkit_core.catalog.exclusion import IGNORE_FILE, Exclusion
from devkit_core.catalog.names import BOUNDS, Bounds
from devkit_core.catalog.trees import FILES, Tree, TreeWriter
from devkit_core.config.files import read_bounded
from devkit_core.errors import ArchiveRefused, NotFound, Place, UsageError

__all__ = ["collect", "pack"]

_CHUNK = 1 << 18
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def collect(source: Path, folder: Path, *, bounds: Bounds = BOUNDS) -> Tree:
    """Copy what belongs to a plugin's package from its folder into a new, empty one.

    What `Exclusion` leaves out is not looked at; a link or a special file among the rest is refused.
    Raises ArchiveRefused, UsageError for a wrong `.devkitignore`, OSError.
    """
    if not source.is_dir():
        raise NotFound(f"there is no folder {source}", code="path-not-found", place=Place(str(source)))
    exclusion = Exclusion(_ignored(source / IGNORE_FILE))
    try:
        with TreeWriter(folder, bounds) as writer:
            with _opened(str(source), _FOLDER, None, source) as top:
                _collect(top, "", exclusion, writer, source)
            return writer.finish()
    except ArchiveRefused as error:
        error.place = error.place or Place(str(source))
        raise


def _ignored(path: Path) -> str:
    try:
        return read_bounded(path, 1 << 16, follow=False)[0].decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{IGNORE_FILE} can't be read: {error}", code="pack-ignore", place=Place(str(path))
        ) from error


def _collect(descriptor: int, above: str, exclusion: Exclusion, writer: TreeWriter, source: Path) -> None:
    with _reading(source / above), os.scandir(descriptor) as entries:
        found = sorted((entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries)
    for name, mode in found:
        path = f"{above}{name}"
        folder = stat.S_ISDIR(mode)
        if exclusion.excludes(path, folder=folder):
            continue
        if folder:
            with _opened(name, _FOLDER | os.O_NOFOLLOW, descriptor, source / path) as inner:
                writer.folder(path)
                _collect(inner, f"{path}/", exclusion, writer, source)
        elif stat.S_ISREG(mode):
            with _opened(name, _FILE, descriptor, source / path) as file:
                writer.file(path, _chunks(file, source / path), executable=bool(mode & 0o100))
        else:
            raise ArchiveRefused(
                f"{path[:120]!r} is {'a link' if stat.S_ISLNK(mode) else 'a special file'}",
                code="archive-special",
                hint=f"Put a copy in its place, or leave it out by a line in {IGNORE_FILE}.",
            )


@contextmanager
def _opened(name: str, flags: int, parent: int | None, path: Path) -> Iterator[int]:
    with _reading(path):
        descriptor = os.open(name, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tell what can't be read from what can't be written."""
    try:
        yield
    except OSError as error:
        raise NotFound(
            f"{path} can't be read: {error.strerror or error}", code="path-unreadable", place=Place(str(path))
        ) from error


def _chunks(descriptor: int, path: Path) -> Iterator[bytes]:
    while True:
        with _reading(path):
            chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        yield chunk


def pack(folder: Path, tree: Tree, root: str, target: BinaryIO) -> None:
    """Write a `.dkp` of the files in a folder: the same files always give the same bytes.

    `root` is the one folder inside. Entries are sorted, without times, owners or names of users; modes
    are 0644 and 0755; `FILES.json` is the first. Raises OSError.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)

    def write(data: bytes) -> None:
        target.write(packer.compress(data))

    listing = tree.listing()
    write(_header(f"{root}/{FILES}", len(listing), executable=False))
    write(listing + bytes(-len(listing) % tarfile.BLOCKSIZE))
    for path, fact in tree.files.items():
        write(_header(f"{root}/{path}", fact.size, executable=fact.executable))
        with open(folder / path, "rb") as file:
            while chunk := file.read(_CHUNK):
                write(chunk)
        write(bytes(-fact.size % tarfile.BLOCKSIZE))
    write(bytes(2 * tarfile.BLOCKSIZE))
    target.write(packer.flush())


def _header(path: str, size: int, *, executable: bool) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    entry.mode = 0o755 if executable else 0o644
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
