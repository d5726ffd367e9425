"""Values that a plugin keeps between its runs, by key."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from devkit_core.errors import ExecutionError, StateError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["KEY_LIMIT", "MOST_BYTES", "MOST_KEYS", "VALUE_LIMIT", "PluginStore", "store_file"]

T = TypeVar("T")

KEY_LIMIT = 256  # characters
VALUE_LIMIT = 1 << 20  # bytes
MOST_KEYS = 10_000
MOST_BYTES = 16 << 20  # of keys and values together

_PATIENCE = 5.0  # seconds to wait for another host's change
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS size (one INTEGER PRIMARY KEY CHECK (one = 1), keys INTEGER, bytes INTEGER);
INSERT OR IGNORE INTO size VALUES (1, 0, 0);
"""


def store_file(data: Path, plugin: str, folder: Path) -> Path:
    """Return where a plugin's values are: each folder has its own, all installed versions have one."""
    origin = os.path.realpath(folder)
    installed = os.path.realpath(data / "store")
    if origin.startswith(f"{installed}{os.sep}"):
        origin = installed
    mark = hashlib.sha256(os.fsencode(origin)).hexdigest()[:12]
    return data / "plugin-values" / f"{plugin}-{mark}.db"


class PluginStore:
    """Values by key, bounded; each change is whole and on disk when it returns.

    Threads and other hosts may use the file at once. Methods block; they raise ExecutionError for what goes
    beyond a bound, StateError where the file can't be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None

    def get(self, key: str) -> bytes | None:
        """Return a value, or None where there is none."""

        def read(file: sqlite3.Connection) -> bytes | None:
            found = file.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
            return found[0] if found else None

        return self._use(read) if self._path.exists() else None

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin so, sorted."""

        def read(file: sqlite3.Connection) -> list[str]:
            start = prefix.encode()  # as bytes, since of a text with NUL sqlite sees the part before it
            rows = file.execute(
                "SELECT key FROM entries WHERE substr(CAST(key AS BLOB), 1, ?) = ? ORDER BY key",
                (len(start), start),
            )
            return [key for (key,) in rows]

        return self._use(read) if self._path.exists() else []

    def set(self, key: str, value: bytes) -> None:
        """Keep a value."""
        if not key or len(key) > KEY_LIMIT:
            raise self._full(f"a key has 1 to {KEY_LIMIT} characters, this one {len(key):,}")
        if len(value) > VALUE_LIMIT:
            raise self._full(f"a value has at most {VALUE_LIMIT:,} bytes, this one {len(value):,}")

        def write(file: sqlite3.Connection) -> None:
            keys, size = self._remove(file, key)
            keys, size = keys + 1, size + _size(key, value)
            if keys > MOST_KEYS:
                raise self._full(f"a plugin keeps at most {MOST_KEYS:,} values")
            if size > MOST_BYTES:
                raise self._full(f"a plugin keeps at most {MOST_BYTES >> 20} MiB")
            file.execute("INSERT INTO entries VALUES (?, ?)", (key, value))
            file.execute("UPDATE size SET keys = ?, bytes = ?", (keys, size))

        self._use(write)

    def delete(self, key: str) -> bool:
        """Forget a value; return whether there was one."""

        def write(file: sqlite3.Connection) -> bool:
            (before,) = file.execute("SELECT keys FROM size").fetchone()
            keys, size = self._remove(file, key)
            file.execute("UPDATE size SET keys = ?, bytes = ?", (keys, size))
            return bool(before != keys)

        return self._use(write) if self._path.exists() else False

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    @staticmethod
    def _remove(file: sqlite3.Connection, key: str) -> tuple[int, int]:
        """Take a key out and return how many keys and bytes are left, which the caller notes."""
        keys, size = file.execute("SELECT keys, bytes FROM size").fetchone()
        found = file.execute("DELETE FROM entries WHERE key = ? RETURNING value", (key,)).fetchone()
        return (keys - 1, size - _size(key, found[0])) if found else (keys, size)

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction."""
        import sqlite3

        with self._lock:
            try:
                file = self._file
                if file is None:
                    file = self._file = self._open()
                file.execute("BEGIN IMMEDIATE")
                try:
                    done = work(file)
                except BaseException:
                    file.execute("ROLLBACK")
                    raise
                file.execute("COMMIT")
                return done
            except (sqlite3.Error, OSError) as error:
                if self._file is not None:
                    self._file.close()
                    self._file = None
                raise StateError(
                    f"what the plugin keeps can't be used: {error}",
                    code="plugin-store-unusable",
                    hint=f"the file is {self._path}; a full disk or a damaged file are usual causes",
                ) from error

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(self._path, flags, 0o600))
        file: Any = sqlite3.connect(
            self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            file.execute("PRAGMA journal_mode = TRUNCATE")
            file.execute("PRAGMA synchronous = FULL")
            file.executescript(f"BEGIN IMMEDIATE;{_TABLES}COMMIT;")
        except BaseException:
            file.close()
            raise
        return file  # type: ignore[no-any-return]

    @staticmethod
    def _full(message: str) -> ExecutionError:
        return ExecutionError(message, code="plugin-store-full", hint="delete what is no longer needed")


def _size(key: str, value: bytes) -> int:
    return len(key.encode("utf-8", "surrogatepass")) + len(value)
