"""Folders of packages, one for each set that plugins ask for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit_core.api import LoadError, Place, StateError, read_bounded
from devkit_loader_python import installers
from devkit_loader_python.installers import Follow, Installer
from devkit_loader_python.requirements import normalised, read_lock

__all__ = ["Environment", "Environments", "ensure"]

_FORMAT = 1
_LIMIT = 16 << 20  # bytes of a lock or a record
_WAIT = 0.2


@dataclass(frozen=True, slots=True)
class Environment:
    """One set of packages on disk: `packages` goes on a module search path, `lock` says what it holds."""

    folder: Path

    @property
    def packages(self) -> Path:
        """The folder that holds the modules."""
        return self.folder / "site-packages"

    @property
    def lock(self) -> Path:
        """Each package with its version and its wheels' hashes."""
        return self.folder / "lock.txt"

    @property
    def record(self) -> Path:
        """What was asked for, and what the folder held when it was whole; written last."""
        return self.folder / "environment.json"


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a folder: a digest of all names, sizes and times, and how much there is."""

    digest: str
    files: int
    bytes: int


class Environments:
    """The environments below one folder, which is made when there is something to put into it.

    An environment is named by the hash of its requirements and of the interpreter's kind, so that plugins
    which ask for the same share it. It appears whole, by one rename, and isn't changed from then on.
    `find` looks for the tool that asks the index.
    """

    def __init__(self, folder: Path, find: Callable[[], Installer | None] = installers.find) -> None:
        self._folder = folder
        self._find = find

    def ensure(self, requirements: Iterable[str], follow: Follow | None = None) -> Environment:
        """Return the environment that holds these requirements, made now where it isn't there whole.

        Blocks as long as that takes, and while another process makes the same. What was locked once is
        installed again, to the byte. Raises UsageError `python-requirement-invalid`; LoadError
        `python-installer-missing`; NetworkError, DependencyConflict or IntegrityError as
        `Installer.lock` and `.install` do; StateError where the folder can't be written.
        """
        asked = normalised(requirements)
        key = _key(asked)
        made = Environment(self._folder / key)
        if sound(made):
            return made
        follow = follow or Follow()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._held(key, follow):
                if not sound(made):
                    self._make(asked, made, follow)
        except OSError as error:
            raise StateError(
                f"{self._folder} can't be written: {error.strerror or error}",
                code="state-unwritable",
                place=Place(str(error.filename or self._folder)),
                hint="make room, change the folder's rights, or set DEVKIT_HOME to a folder of yours",
            ) from error
        return made

    @contextmanager
    def _held(self, key: str, follow: Follow) -> Iterator[None]:
        """Hold the lock of one environment: of two that want it, the second finds it made."""
        from filelock import FileLock, Timeout

        lock = FileLock(self._folder / f".{key}.lock", mode=0o600)
        while True:
            try:
                lock.acquire(timeout=_WAIT)
                break
            except Timeout:
                follow.tick()
        try:
            yield
        finally:
            lock.release()

    def _make(self, asked: tuple[str, ...], made: Environment, follow: Follow) -> None:
        """Make an environment beside its place and switch it in; called with its lock held."""
        tool = self._find()
        if tool is None:
            raise LoadError(
                f"{', '.join(asked)} can't be installed: there is neither uv nor pip",
                code="python-installer-missing",
                hint="python3 -m pip install uv",
            )
        staged = Environment(made.folder.with_name(f".{made.folder.name}.making"))
        old = made.folder.with_name(f".{made.folder.name}.old")
        work = made.folder.with_name(f".{made.folder.name}.work")
        for left in (staged.folder, old, work):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        try:
            staged.packages.mkdir(mode=0o700, parents=True)
            work.mkdir(mode=0o700)
            lock = _kept_lock(made) or tool.lock(asked, work, follow)
            tool.install(lock, asked, staged.packages, work, follow)
            staged.lock.write_text(lock)
            found = contents(staged.packages)
            record = {
                "format": _FORMAT,
                "requires": asked,
                "python": _tag(),
                "lock": hashlib.sha256(lock.encode()).hexdigest(),
                "contents": found.digest,
                "files": found.files,
                "bytes": found.bytes,
            }
            staged.record.write_text(json.dumps(record, indent=1))
            if os.path.lexists(made.folder):
                made.folder.rename(old)
            staged.folder.rename(made.folder)
        finally:
            for left in (staged.folder, old, work):
                shutil.rmtree(left, ignore_errors=True)

    def all(self) -> Iterator[tuple[Environment, dict[str, Any] | None]]:
        """Yield each environment with its record, None where it is damaged and will be made again."""
        if self._folder.is_dir():
            for folder in sorted(self._folder.iterdir()):
                if folder.is_dir() and not folder.name.startswith("."):
                    found = Environment(folder)
                    yield found, _record(found) if sound(found) else None


def ensure(requirements: Iterable[str], cache: Path, follow: Follow | None = None) -> Environment:
    """Return the environment of these requirements below the user's cache, made where it isn't there.

    For whoever wants a plugin's packages before it is first loaded. Blocks, and raises as
    `Environments.ensure` does.
    """
    return Environments(cache / "python").ensure(requirements, follow)


def sound(made: Environment) -> bool:
    """Say whether an environment is there as it was made: no file less, none changed, none more."""
    record = _record(made)
    if record is None or record.get("format") != _FORMAT or _kept_lock(made) is None:
        return False
    try:
        return bool(contents(made.packages).digest == record.get("contents"))
    except OSError:
        return False


def contents(folder: Path) -> Contents:
    """Look through a folder without reading its files; raises OSError."""
    digest, files, size = hashlib.sha256(), 0, 0
    waiting = [(str(folder), "")]
    while waiting:
        path, name = waiting.pop()
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                inside = f"{name}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, inside))
                facts = entry.stat(follow_symlinks=False)
                what = (inside, facts.st_mode, 0, 0)
                if not entry.is_dir(follow_symlinks=False):
                    files, size = files + 1, size + facts.st_size
                    what = (inside, facts.st_mode, facts.st_size, facts.st_mtime_ns)
                digest.update(os.fsencode(f"{what}\n"))
    return Contents(digest.hexdigest(), files, size)


def _record(made: Environment) -> dict[str, Any] | None:
    try:
        found = json.loads(read_bounded(made.record, _LIMIT)[0])
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _kept_lock(made: Environment) -> str | None:
    """Return the lock of an environment that was whole once, None where there is none that can be used."""
    record = _record(made)
    try:
        data = read_bounded(made.lock, _LIMIT)[0]
        if record is None or hashlib.sha256(data).hexdigest() != record.get("lock"):
            return None
        return read_lock(data.decode())
    except (OSError, ValueError):
        return None


def _key(asked: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join((str(_FORMAT), _tag(), *asked)).encode()).hexdigest()[:32]


def _tag() -> str:
    """Return what wheels are chosen by: the interpreter's version, its binary interface, the platform."""
    return f"{sys.implementation.cache_tag} {sysconfig.get_config_var('SOABI')} {sysconfig.get_platform()}"
