"""What a plugin's folder holds, by hash: only real changes count."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from hashlib import blake2b
from pathlib import Path

__all__ = ["Contents", "ignored"]

_WHOLE = 64 << 20  # bytes of a file, above which its size and time stand for what it holds
_MOST = 20_000  # files of a folder that are looked at
_CHUNK = 1 << 20
_TICK = 50_000_000  # ns after a change in which a further one may get the very same times


def ignored(path: str, patterns: Sequence[str]) -> bool:
    """Say whether a path, relative to the plugin's folder, matches a pattern in any of its parts."""
    return any(fnmatch(part, pattern) for part in path.split(os.sep) for pattern in patterns)


class Contents:
    """A folder's files at one moment: path, relative, to a hash of mode and bytes."""

    def __init__(self, files: Mapping[str, bytes], facts: Mapping[str, tuple[int, ...]]) -> None:
        self.files = files
        self._facts = facts

    @classmethod
    def read(
        cls, folder: Path, ignore: Sequence[str], keep: Iterable[str] = (), before: Contents | None = None
    ) -> Contents:
        """Read a folder; what can't be read, as it is being written, is left out. Never raises.

        `keep` are files that count even where a pattern matches. Files whose time, size and inode are
        those of `before` are not read again.
        """
        settled = time.time_ns() - _TICK
        files: dict[str, bytes] = {}
        facts: dict[str, tuple[int, ...]] = {}
        for path in _paths(folder, ignore, frozenset(keep)):
            full = folder / path
            try:
                status = os.lstat(full)
                fact = (status.st_mode, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
                if before is not None and before._facts.get(path) == fact:
                    files[path] = before.files[path]
                else:
                    files[path] = _hash(full, status)
                if status.st_ctime_ns < settled:
                    facts[path] = fact
            except OSError:
                continue
        return cls(files, facts)

    def changes(self, later: Contents) -> dict[str, str]:
        """Return what differs in a later reading: path to `created`, `modified` or `deleted`, by path."""
        found = dict.fromkeys(later.files.keys() - self.files.keys(), "created")
        found |= dict.fromkeys(self.files.keys() - later.files.keys(), "deleted")
        both = self.files.keys() & later.files.keys()
        found |= dict.fromkeys((p for p in both if self.files[p] != later.files[p]), "modified")
        return dict(sorted(found.items()))


def _paths(folder: Path, ignore: Sequence[str], keep: frozenset[str]) -> Iterator[str]:
    """Yield the files, links and whatever else isn't a folder; links are not followed."""
    yield from (path for path in sorted(keep) if ignored(path, ignore))
    count = 0
    for parent, folders, names in os.walk(folder):
        at = os.path.relpath(parent, folder)
        folders[:] = [name for name in folders if not any(fnmatch(name, pattern) for pattern in ignore)]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*names, *links]:
            if not any(fnmatch(name, pattern) for pattern in ignore):
                count += 1
                if count > _MOST:
                    return
                yield name if at == "." else os.path.join(at, name)


def _hash(path: Path, status: os.stat_result) -> bytes:
    digest = blake2b(oct(status.st_mode).encode(), digest_size=16)
    if stat.S_ISLNK(status.st_mode):
        digest.update(os.fsencode(os.readlink(path)))
        status = os.stat(path)  # a link into the folder or out of it: what it leads to counts too
    if not stat.S_ISREG(status.st_mode):
        return digest.digest()
    if status.st_size > _WHOLE:
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        return digest.digest()
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
