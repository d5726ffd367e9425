"""Unpacked plugins by the hash of their content."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devkit_core.catalog.contents import content_folder, plugin_folder
from devkit_core.catalog.trees import FILES, Tree, scan
from devkit_core.config.files import read_bounded
from devkit_core.errors import IntegrityError, Place, StateError

__all__ = ["Store", "disk_errors"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LIMIT = 16 << 20  # bytes of a listing


class Store:
    """The plugins on this disk: `<data>/store/sha256/HASH/ID`, with their `FILES.json` beside them.

    HASH is the SHA-256 of that listing, so a place in the store says what has to be in it. A place is
    made in one step and never changed. Which of them count is not the store's to know. Methods raise
    StateError where the disk fails.
    """

    def __init__(self, data: Path) -> None:
        self.folder = content_folder(data)
        self._data = data
        self._staging = data / "staging"

    def place(self, digest: str, plugin: str) -> Path:
        """Return the folder of a plugin by its content's hash, whether it is there or not."""
        return plugin_folder(self._data, digest, plugin)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give a new private folder on the store's disk, removed at the end.

        A process that dies leaves its folder behind; `sweep` removes it.
        """
        with disk_errors(self._staging):
            folder, descriptor = self._private()
        try:
            with disk_errors(folder):
                yield folder
        finally:
            os.close(descriptor)
            shutil.rmtree(folder, ignore_errors=True)

    def _private(self) -> tuple[Path, int]:
        """Make a folder and return it with a descriptor whose lock is held while this process lives."""
        self._staging.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            folder = Path(tempfile.mkdtemp(prefix="s-", dir=self._staging))
            descriptor = os.open(folder, _FOLDER)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)  # a sweep was quicker than the lock

    def put(self, folder: Path, tree: Tree, plugin: str, staging: Path) -> Path:
        """Move a plugin's folder, all of it on the disk, to its place; where it is already, keep that one.

        `staging` is a folder of `staging()`, and `folder` is in it.
        """
        place = self.place(tree.digest, plugin)
        with disk_errors(place):
            if place.exists():
                if not self.problems(tree.digest, plugin):
                    return place
                self.remove(tree.digest, staging)
            unit = Path(tempfile.mkdtemp(prefix="u-", dir=staging))
            listing = os.open(unit / FILES, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                view = memoryview(tree.listing())
                while view:
                    view = view[os.write(listing, view) :]
                os.fsync(listing)
            finally:
                os.close(listing)
            os.rename(folder, unit / plugin)
            _sync(unit)
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync(self.folder.parent)
            try:
                os.rename(unit, place.parent)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                # Another process put the same content there meanwhile.
            _sync(self.folder)
        return place

    def problems(self, digest: str, plugin: str) -> list[str]:
        """Return in words what is wrong with a place in the store; nothing where it is as it was made."""
        place = self.place(digest, plugin)
        try:
            promised = self.listing(digest)
            found, strange = scan(place)
            around = sorted(set(os.listdir(place.parent)) - {plugin, FILES})
        except FileNotFoundError as error:
            return [f"{error.filename} is missing"]
        except (OSError, IntegrityError) as error:
            return [str(error)]
        return [
            *promised.differences(found),
            *(f"{path} is a link or a special file" for path in strange),
            *(f"{name} was added" for name in around),
        ]

    def listing(self, digest: str) -> Tree:
        """Return which files a place should have; raises IntegrityError where the list itself is wrong."""
        path = self.folder / digest / FILES
        data, _ = read_bounded(path, _LIMIT, follow=False)
        tree = Tree.parse(data, str(path))
        if tree.digest != digest:
            raise IntegrityError(f"{path} was changed", code="store-damaged", place=Place(str(path)))
        return tree

    def remove(self, digest: str, staging: Path) -> None:
        """Take a place out of the store in one step; its files go with `staging`."""
        with disk_errors(self.folder), contextlib.suppress(FileNotFoundError):
            os.rename(self.folder / digest, Path(tempfile.mkdtemp(prefix="r-", dir=staging)) / "removed")

    def digests(self) -> list[str]:
        """Return the hashes of all places, and the names of strange entries, sorted."""
        with disk_errors(self.folder):
            try:
                return sorted(os.listdir(self.folder))
            except FileNotFoundError:
                return []

    def unused(self, used: Iterable[str]) -> list[str]:
        """Return the hashes in the store that are not among those in use."""
        return sorted(set(self.digests()) - set(used))

    def size(self, digest: str) -> int:
        """Return the bytes of all files in one place."""
        total = 0
        for folder, _, files in os.walk(self.folder / digest):
            for name in files:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    def sweep(self) -> int:
        """Remove what processes that died left in staging; return how many folders that were."""
        count = 0
        try:
            names = sorted(os.listdir(self._staging))
        except OSError:
            return 0
        for name in names:
            with contextlib.suppress(OSError):
                descriptor = os.open(self._staging / name, _FOLDER | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(self._staging / name)
                    count += 1
                finally:
                    os.close(descriptor)
        return count


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a StateError that names the file and the way out."""
    try:
        yield
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else ""
        where = named if os.path.isabs(named) else str(path)
        hints = {
            errno.ENOSPC: "Make room on that disk and run the command again; nothing was changed.",
            errno.EDQUOT: "Your quota there is used up; make room and run the command again.",
            errno.EROFS: "That disk is read-only; DEVKIT_HOME chooses another place.",
            errno.EACCES: "Make the folder yours, or choose another place by DEVKIT_HOME.",
            errno.EMFILE: "Raise the limit of open files (`ulimit -n`), and run the command again.",
        }
        raise StateError(
            f"{where} can't be written: {error.strerror or error}",
            code="store-unwritable",
            place=Place(where),
            hint=hints.get(error.errno or 0, "Nothing was changed; mend it and run the command again."),
        ) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
