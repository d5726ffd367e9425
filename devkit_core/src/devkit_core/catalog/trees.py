"""A plugin's files by path and hash, written and read with descriptors."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit_core.catalog.names import Bounds, Names
from devkit_core.errors import ArchiveRefused, IntegrityError

__all__ = ["FILES", "FileFact", "Tree", "TreeWriter", "scan"]

#: the list of a package's files; at the top of an archive, beside a tree in the store
FILES = "FILES.json"
FORMAT = 1
_CHUNK = 1 << 18
_HEX = re.compile(r"[0-9a-f]{64}")
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW


@dataclass(frozen=True, slots=True)
class FileFact:
    """What one file is: the hash of its content, its size, whether it can be executed."""

    sha256: str
    size: int
    executable: bool = False

    def as_data(self) -> dict[str, Any]:
        """Return the fact as the listing has it."""
        data: dict[str, Any] = {"sha256": self.sha256, "size": self.size}
        return {**data, "executable": True} if self.executable else data


@dataclass(frozen=True, slots=True)
class Tree:
    """All files of one plugin by path; folders count only as far as files are in them."""

    files: Mapping[str, FileFact]

    def listing(self) -> bytes:
        """Return the tree as `FILES.json` has it: the same files always give the same bytes."""
        files = {
            path: {
                "sha256": fact.sha256,
                "size": fact.size,
                **({"executable": True} if fact.executable else {}),
            }
            for path, fact in self.files.items()
        }
        text = json.dumps({"files": files, "format": FORMAT}, sort_keys=True, indent=1)
        return f"{text}\n".encode()

    @property
    def digest(self) -> str:
        """The hash of all that the plugin is: the SHA-256 of its listing."""
        return hashlib.sha256(self.listing()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(fact.size for fact in self.files.values())

    def without(self, path: str) -> Tree:
        """Return the tree without one file."""
        return Tree({name: fact for name, fact in self.files.items() if name != path})

    def below(self, folder: str) -> Tree:
        """Return what is in a folder, with paths that start there."""
        start = f"{folder}/"
        return Tree({p.removeprefix(start): fact for p, fact in self.files.items() if p.startswith(start)})

    def differences(self, found: Tree) -> list[str]:
        """Return in words how what was found differs from this; nothing where it doesn't."""
        texts = []
        for path in sorted({*self.files, *found.files}):
            promised, is_there = self.files.get(path), found.files.get(path)
            if promised == is_there:
                continue
            if is_there is None:
                texts.append(f"{path} is missing")
            elif promised is None:
                texts.append(f"{path} was added")
            elif promised.sha256 != is_there.sha256:
                texts.append(f"{path} was changed")
            else:
                texts.append(f"{path} has another mode")
        return texts

    @classmethod
    def parse(cls, data: bytes, where: str) -> Tree:
        """Read a listing; raises IntegrityError where it isn't one, naming `where`."""
        try:
            content = json.loads(data, object_pairs_hook=_once)
            if content["format"] != FORMAT:
                raise IntegrityError(
                    f"{where} has format {content['format']!r:.20}; this DevKit reads {FORMAT}",
                    code="package-listing",
                    hint="A newer DevKit may read it.",
                )
            files = {path: _fact(each) for path, each in content["files"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise IntegrityError(f"{where} is no list of files", code="package-listing") from error
        return cls(files)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _fact(entry: dict[str, Any]) -> FileFact:
    fact = FileFact(entry["sha256"], entry["size"], entry.get("executable", False))
    fits = (
        isinstance(fact.sha256, str)
        and _HEX.fullmatch(fact.sha256)
        and type(fact.size) is int
        and type(fact.executable) is bool
    )
    if not fits:
        raise ValueError("not a file's facts")
    return fact


class TreeWriter:
    """Writes a plugin's files into a new folder, one by one, within bounds; modes become 0644 or 0755.

    Never follows a link and never opens a file that is there. Raises ArchiveRefused for a name or a bound,
    OSError for the disk. `finish` waits until the disk has all of it.
    """

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self._bounds = bounds
        self._names = Names(bounds)
        self._entries = 0
        self._size = 0
        self._files: dict[str, FileFact] = {}
        self._made: set[tuple[str, ...]] = {()}
        self._root = os.open(folder, _FOLDER)

    def __enter__(self) -> TreeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def folder(self, name: str) -> None:
        """Check a folder's entry; it is made once a file is in it."""
        self._count()
        self._names.add(name, folder=True)

    def file(self, name: str, chunks: Iterable[bytes], *, executable: bool, size: int = 0) -> None:
        """Write one file; `size` is what it claims, and refused at once where it is too large."""
        self._count()
        parts = self._names.add(name)
        if self._size + size > self._bounds.unpacked:
            raise self._too_large()
        with self._parent(parts) as parent:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
            descriptor = os.open(parts[-1], flags, 0o600, dir_fd=parent)
            try:
                self._files[name] = self._write(descriptor, chunks, executable)
            finally:
                os.close(descriptor)

    def finish(self) -> Tree:
        """Return what was written, once it is on the disk."""
        for parts in sorted(self._made, reverse=True):
            with self._parent((*parts, "")) as descriptor:
                os.fsync(descriptor)
        return Tree(dict(sorted(self._files.items())))

    def _write(self, descriptor: int, chunks: Iterable[bytes], executable: bool) -> FileFact:
        digest = hashlib.sha256()
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self._size += len(chunk)
            if self._size > self._bounds.unpacked:
                raise self._too_large()
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, 0o755 if executable else 0o644)
        os.fsync(descriptor)
        return FileFact(digest.hexdigest(), size, executable)

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._bounds.entries:
            raise ArchiveRefused(
                f"it has more than {self._bounds.entries} entries",
                code="archive-too-large",
                hint="`devkit explain archive-too-large`",
            )

    @contextmanager
    def _parent(self, parts: tuple[str, ...]) -> Iterator[int]:
        """Give the folder that a path is in, making what is missing on the way."""
        descriptor = os.dup(self._root)
        try:
            for end, part in enumerate(parts[:-1], 1):
                if parts[:end] not in self._made:
                    os.mkdir(part, 0o700, dir_fd=descriptor)
                inner = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
                if parts[:end] not in self._made:
                    os.fchmod(descriptor, 0o755)
                    self._made.add(parts[:end])
            yield descriptor
        finally:
            os.close(descriptor)

    def _too_large(self) -> ArchiveRefused:
        return ArchiveRefused(
            f"it unpacks to more than {self._bounds.unpacked >> 20} MiB",
            code="archive-too-large",
            hint="`devkit explain archive-too-large`",
        )


def scan(folder: Path) -> tuple[Tree, list[str]]:
    """Return the tree that a folder holds now, and paths in it that are neither files nor folders.

    Raises OSError. Follows no link.
    """
    files: dict[str, FileFact] = {}
    strange: list[str] = []

    def visit(descriptor: int, above: str) -> None:
        with os.scandir(descriptor) as entries:
            names = sorted((entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries)
        for name, mode in names:
            path = f"{above}{name}"
            if stat.S_ISDIR(mode):
                inner = os.open(name, _FOLDER, dir_fd=descriptor)
                try:
                    visit(inner, f"{path}/")
                finally:
                    os.close(inner)
            elif stat.S_ISREG(mode):
                files[path] = _hashed(name, descriptor)
            else:
                strange.append(path)

    top = os.open(folder, _FOLDER)
    try:
        visit(top, "")
    finally:
        os.close(top)
    return Tree(dict(sorted(files.items()))), strange


def _hashed(name: str, parent: int) -> FileFact:
    digest = hashlib.sha256()
    size = 0
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_FOLLOW, dir_fd=parent)
    try:
        mode = os.fstat(descriptor).st_mode
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
    finally:
        os.close(descriptor)
    return FileFact(digest.hexdigest(), size, bool(mode & 0o100))
