"""The user's own record of plugins: what was granted, what is disabled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from devkit_core.config.files import read_bounded, replace_file
from devkit_core.errors import Place, StateError

if TYPE_CHECKING:
    from devkit_core.model.permissions import Permission

__all__ = ["FILE", "Grant", "State"]

#: the record's name in the user's data folder
FILE = "devkit.lock"
FORMAT = 1
_LIMIT = 16 * 1024 * 1024

Entry = dict[str, Any]


class Grant(NamedTuple):
    """What the user granted one plugin: `origin` is the real path of its folder, `granted_at` RFC 3339.

    `version` and `publisher` are what its manifest said when the user last agreed.
    """

    plugin: str
    origin: str
    version: str
    publisher: str
    permissions: tuple[str, ...]
    granted_at: str


class State:
    """The record in one file, `<data>/devkit.lock`: JSON, replaced whole, changed by one process at a time.

    An entry belongs to a plugin's id and the real path of its folder together, so another folder with
    the same id gets nothing from it. All versions of an installed plugin have one entry. Every
    method raises StateError for a record that is damaged, of a newer DevKit, or can't be read, and leaves
    it as it is.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC), lock_seconds: float = 10
    ) -> None:
        self.path = path
        self._now = now
        self._lock_seconds = lock_seconds
        self._seen: tuple[int, ...] | None = None
        self._entries: list[Entry] = []

    def granted(self, plugin: str, folder: Path, *, publisher: str | None = None) -> tuple[str, ...]:
        """Return the permissions granted to the plugin in this folder, in canonical form.

        With `publisher`, nothing where the grant was given to another one.
        """
        entry = _entry(self._read(), plugin, self._origin(folder))
        if entry is None or (publisher is not None and entry.get("publisher", publisher) != publisher):
            return ()
        return tuple(entry.get("permissions", ()))

    def grants(self) -> list[Grant]:
        """Return every grant, in order of plugin and origin."""
        found = [
            Grant(
                entry["id"],
                entry["origin"],
                entry.get("version", ""),
                entry.get("publisher", ""),
                tuple(entry["permissions"]),
                entry.get("granted_at", ""),
            )
            for entry in self._read()
            if entry.get("permissions")
        ]
        return sorted(found, key=lambda grant: (grant.plugin, grant.origin))

    def grant(
        self, plugin: str, folder: Path, permissions: Iterable[str], *, version: str, publisher: str
    ) -> tuple[str, ...]:
        """Add permissions to what the plugin in this folder has, and return all of them.

        What was granted to another publisher is dropped. Raises UsageError for a text that is no
        permission; nothing is granted then.
        """
        added = [str(each) for each in _parsed(permissions)]
        with self._changing() as entries:
            entry = _entry(entries, plugin, self._origin(folder))
            if entry is None:
                entry = {"id": plugin, "origin": self._origin(folder)}
                entries.append(entry)
            before = entry.get("permissions", []) if entry.get("publisher", publisher) == publisher else []
            entry["permissions"] = sorted({*before, *added})
            entry["version"] = version
            entry["publisher"] = publisher
            entry["granted_at"] = self._now().astimezone(UTC).isoformat(timespec="seconds")
            return tuple(entry["permissions"])

    def revoke(self, plugin: str, folder: Path, permissions: Iterable[str] | None = None) -> tuple[str, ...]:
        """Take permissions away, all without `permissions`, and return what was granted and no longer is.

        A permission takes along those that it covers: `filesystem:read` also `filesystem:read=$PLUGIN`.
        """
        taken = None if permissions is None else _parsed(permissions)
        with self._changing() as entries:
            entry = _entry(entries, plugin, self._origin(folder))
            if entry is None:
                return ()
            before = list(entry.get("permissions", ()))
            after = [] if taken is None else _without(before, taken)
            if after:
                entry["permissions"] = after
            else:
                for key in ("permissions", "version", "publisher", "granted_at"):
                    entry.pop(key, None)
            _drop_empty(entries)
            return tuple(each for each in before if each not in after)

    def is_enabled(self, plugin: str, folder: Path) -> bool:
        """Tell whether the plugin in this folder may be loaded; it may unless it was disabled."""
        entries = self._read()
        entry = _entry(entries, plugin, self._origin(folder)) if entries else None
        return entry is None or bool(entry.get("enabled", True))

    def set_enabled(self, plugin: str, folder: Path, enabled: bool) -> bool:
        """Enable or disable the plugin in this folder; tell whether that changed anything."""
        with self._changing() as entries:
            entry = _entry(entries, plugin, self._origin(folder))
            if enabled == (entry is None or bool(entry.get("enabled", True))):
                return False
            if entry is None:
                entry = {"id": plugin, "origin": self._origin(folder)}
                entries.append(entry)
            if enabled:
                entry.pop("enabled", None)
            else:
                entry["enabled"] = False
            _drop_empty(entries)
            return True

    def _read(self) -> list[Entry]:
        """Return the entries, read again where the file is another one than last time."""
        try:
            facts = os.stat(self.path)
        except FileNotFoundError:
            self._seen, self._entries = None, []
            return self._entries
        except OSError as error:
            raise self._error("can't be read", error, "state-unreadable") from error
        seen = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        if seen != self._seen:
            self._entries = self._load()
            self._seen = seen
        return self._entries

    def _load(self) -> list[Entry]:
        try:
            data = read_bounded(self.path, _LIMIT)[0]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._error("can't be read", error, "state-unreadable") from error
        try:
            content = json.loads(data)
            version = content["format"]
            entries = content["plugins"]
            if version == FORMAT and isinstance(entries, list) and all(_is_entry(each) for each in entries):
                return list(entries)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged() from error
        if isinstance(version, int) and version > FORMAT:
            raise StateError(
                f"{self.path} was written by a newer DevKit (format {version}; this one reads {FORMAT})",
                code="state-newer",
                place=Place(str(self.path)),
                hint="Update DevKit, or use the newer one with this record.",
            )
        raise self._damaged()

    @contextmanager
    def _changing(self) -> Iterator[list[Entry]]:
        """Hold the lock, give the entries, and write them back where they were changed."""
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self.path.with_name(f"{FILE}.guard"), timeout=self._lock_seconds)
            lock.acquire()
        except Timeout as error:
            raise StateError(
                f"another process has kept {self.path} locked for {self._lock_seconds:g} s",
                code="state-locked",
                place=Place(str(self.path)),
                hint="Run the command again when the other one has ended.",
            ) from error
        except OSError as error:
            raise self._error("can't be locked", error, "state-unwritable") from error
        try:
            entries = self._load()
            before = json.dumps(entries, sort_keys=True)
            yield entries
            if json.dumps(entries, sort_keys=True) == before:
                return
            entries.sort(key=lambda entry: (entry["id"], entry["origin"]))
            text = json.dumps({"format": FORMAT, "plugins": entries}, indent=2, sort_keys=True)
            try:
                replace_file(self.path, f"{text}\n".encode(), durable=True)
            except OSError as error:
                raise self._error("can't be written", error, "state-unwritable") from error
            self._seen = None
        finally:
            lock.release()

    def _origin(self, folder: Path) -> str:
        """Return the folder's real path; for all versions of an installed plugin that of the store."""
        origin = os.path.realpath(folder)
        store = os.path.realpath(self.path.parent / "store")
        return store if origin.startswith(f"{store}{os.sep}") else origin

    def _error(self, what: str, error: OSError, code: str) -> StateError:
        reason = error.strerror or str(error)
        return StateError(f"{self.path} {what}: {reason}", code=code, place=Place(str(self.path)))

    def _damaged(self) -> StateError:
        return StateError(
            f"{self.path} is damaged, so no grant in it counts",
            place=Place(str(self.path)),
            hint=f"Restore it from a backup, mend it by hand, or move it away and grant again: "
            f"mv {self.path} {self.path}.damaged",
        )


def _entry(entries: Iterable[Entry], plugin: str, origin: str) -> Entry | None:
    return next((each for each in entries if each["id"] == plugin and each["origin"] == origin), None)


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    texts = ("version", "publisher", "granted_at")
    permissions = entry.get("permissions", [])
    return (
        isinstance(entry["id"], str)
        and isinstance(entry["origin"], str)
        and isinstance(entry.get("enabled", True), bool)
        and all(isinstance(entry.get(key, ""), str) for key in texts)
        and isinstance(permissions, list)
        and all(isinstance(each, str) for each in permissions)
    )


def _drop_empty(entries: list[Entry]) -> None:
    entries[:] = [each for each in entries if each.keys() - {"id", "origin"}]


def _parsed(permissions: Iterable[str]) -> list[Permission]:
    from devkit_core.model.permissions import parse_permission

    return [parse_permission(each) for each in permissions]


def _without(granted: Iterable[str], taken: list[Permission]) -> list[str]:
    """Return what is left of permissions; of one with several parts those parts that aren't taken."""
    left: list[str] = []
    for each in _parsed(granted):
        kept = [part for part in each.parts() if not any(one.covers(part) for one in taken)]
        left += [str(each)] if len(kept) == len(each.parts()) else [str(part) for part in kept]
    return sorted(set(left))
