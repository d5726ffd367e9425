"""Reads a static index from a folder, each file by its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from devkit_core.api import IntegrityError, NotFound, Place, StateError, read_bounded
from devkit_marketplace.listing import FORMAT, Archive, Record, Root

__all__ = ["ROOT", "Index"]

T = TypeVar("T", Root, Record)

ROOT = "index.json"
_ROOT_LIMIT = 64 << 20
_RECORD_LIMIT = 4 << 20
_CHUNK = 1 << 20


class Index:
    """A catalogue in a folder: `index.json`, `index/ID.json`, `archives/ID/….dkp`.

    The root is trusted because of where it is; what it leads to has to have the hashes it names. Methods
    raise NotFound where there is no catalogue, IntegrityError for one that is damaged, StateError for one
    that can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root: Root | None = None

    @property
    def root(self) -> Root:
        """The root, read once."""
        if self._root is None:
            try:
                data = self._bytes(ROOT, _ROOT_LIMIT)
            except FileNotFoundError:
                raise NotFound(
                    f"there is no catalogue in {self.folder}",
                    code="catalogue-missing",
                    place=Place(str(self.folder / ROOT)),
                    hint="`devkit marketplace export DIR` makes one.",
                ) from None
            self._root = self._decode(data, Root, ROOT)
        return self._root

    def record(self, plugin: str) -> Record | None:
        """Return every release of a plugin, or None where the catalogue doesn't have it."""
        entry = self.root.plugins.get(plugin)
        if entry is None:
            return None
        name = f"index/{plugin}.json"
        try:
            data = self._bytes(name, _RECORD_LIMIT)
        except FileNotFoundError:
            raise self._damaged(name, "it is missing") from None
        if (hashlib.sha256(data).hexdigest(), len(data)) != (entry.record.sha256, entry.record.size):
            raise self._damaged(name, f"it isn't the file that {ROOT} names")
        record = self._decode(data, Record, name)
        if record.id != plugin:
            raise self._damaged(name, f"it is about {record.id}")
        return record

    def copy(self, archive: Archive, target: Path) -> None:
        """Write an archive to a new file, as many bytes as it should have; whoever asked checks its hash."""
        source = self.folder / archive.path
        left = archive.size
        try:
            with source.open("rb") as file, target.open("xb") as copy:
                while left and (chunk := file.read(min(left, _CHUNK))):
                    copy.write(chunk)
                    left -= len(chunk)
        except FileNotFoundError:
            raise self._damaged(archive.path, "it is missing") from None
        except OSError as error:
            raise self._unreadable(archive.path, error) from error

    def _bytes(self, name: str, limit: int) -> bytes:
        try:
            return read_bounded(self.folder / name, limit)[0]
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unreadable(name, error) from error

    def _decode(self, data: bytes, kind: type[T], name: str) -> T:
        try:
            number = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).get("format")
            known = number is not None and msgspec.json.decode(number) == FORMAT
            if known:
                return msgspec.json.decode(data, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._damaged(name, str(error)) from None
        raise IntegrityError(
            f"{name} is of a format that this DevKit doesn't know; it reads {FORMAT}",
            code="catalogue-format",
            place=Place(str(self.folder / name)),
            hint="A newer devkit-marketplace may read it.",
        )

    def _damaged(self, name: str, why: str) -> IntegrityError:
        return IntegrityError(
            f"the catalogue's {name} can't be used: {why[:300]}",
            code="catalogue-damaged",
            place=Place(str(self.folder / name)),
            hint="Copy the catalogue anew, all of it; nothing was taken from this one.",
        )

    def _unreadable(self, name: str, error: OSError) -> StateError:
        return StateError(
            f"the catalogue's {name} can't be read: {error.strerror or error}",
            code="catalogue-unreadable",
            place=Place(str(self.folder / name)),
        )
