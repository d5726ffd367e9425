"""Which plugins are installed, in which versions, and from where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from devkit_core.catalog.contents import RECORD, is_content
from devkit_core.config.files import read_bounded, replace_file
from devkit_core.errors import Place, StateError

__all__ = ["KEPT", "Installed", "InstalledPlugin", "InstalledVersion"]

FORMAT = 1
KEPT = 3  # versions of one plugin, the current one among them
_LIMIT = 32 << 20


@dataclass(frozen=True, slots=True)
class InstalledVersion:
    """One version in the store: `digest` is its content's hash, `archive` that of what it was packed
    in, or the commit of a repository.

    `origin` is what it was installed from, as install takes it, and `source` the kind of that (`path`,
    `file`, `https`, `git`) or a source's name. `lineage` is whose hands it came from: grants are kept while
    that stays the same. `asked` are the permissions that its manifest asks for.
    """

    version: str
    digest: str
    source: str
    origin: str
    lineage: str
    archive: str = ""
    archive_size: int = 0
    publisher: str = ""
    asked: tuple[str, ...] = ()
    installed_at: str = ""


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """One installed plugin: its versions, oldest first, and which of them counts.

    `wanted` is False where it only came along with another. `held` are permissions that a known newer
    version asks for and that hold it back, `held_version` is that version.
    """

    id: str
    current: str  # a digest
    versions: tuple[InstalledVersion, ...]
    pinned: bool = False
    wanted: bool = True
    held_version: str = ""
    held: tuple[str, ...] = ()

    @property
    def active(self) -> InstalledVersion:
        """The version that counts."""
        return next(each for each in self.versions if each.digest == self.current)

    def with_version(self, version: InstalledVersion) -> InstalledPlugin:
        """Return the plugin with another version as its current and newest one; the oldest go."""
        others = tuple(each for each in self.versions if each.digest != version.digest)
        versions = (*others, version)[-KEPT:]
        return replace(self, current=version.digest, versions=versions, held=(), held_version="")


Plugins = Mapping[str, InstalledPlugin]


class Installed:
    """The record of installed plugins, `<data>/installed.json`: replaced whole, so all of a change is
    there or none of it. Which version of a plugin counts is said nowhere else.

    Methods raise StateError for a record that is damaged, of a newer DevKit, or can't be read.
    """

    def __init__(self, data: Path, *, lock_seconds: float = 600) -> None:
        self.path = data / RECORD
        self._lock_seconds = lock_seconds

    def read(self) -> dict[str, InstalledPlugin]:
        """Return the installed plugins by id; none where nothing was ever installed."""
        try:
            data, _ = read_bounded(self.path, _LIMIT)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StateError(
                f"{self.path} can't be read: {error.strerror or error}",
                code="state-unreadable",
                place=Place(str(self.path)),
            ) from error
        try:
            content = json.loads(data)
            version = content["format"]
            if version == FORMAT:
                return {name: _plugin(name, each) for name, each in content["plugins"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StopIteration) as error:
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
    def changing(self, waiting: Callable[[], None] = lambda: None) -> Iterator[dict[str, InstalledPlugin]]:
        """Hold the lock, give the plugins, and write back what they are at the end, in one step.

        `waiting` is called once where another process has the lock. Nothing is written where the block
        raises or changes nothing.
        """
        from filelock import FileLock, Timeout

        guard = self.path.with_name("installed.guard")
        try:
            guard.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(guard)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire(timeout=self._lock_seconds)
        except Timeout as error:
            raise StateError(
                f"another process has been changing the plugins for {self._lock_seconds:g} s",
                code="state-locked",
                place=Place(str(guard)),
                hint="Run the command again when the other one has ended.",
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            plugins = self.read()
            before = dict(plugins)
            yield plugins
            if plugins != before:
                self._write(plugins)
        finally:
            lock.release()

    def _write(self, plugins: Plugins) -> None:
        content = {"format": FORMAT, "plugins": {name: _data(each) for name, each in sorted(plugins.items())}}
        try:
            replace_file(self.path, f"{json.dumps(content, indent=1)}\n".encode(), durable=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StateError:
        return StateError(
            f"{self.path} can't be written: {error.strerror or error}",
            code="state-unwritable",
            place=Place(str(self.path)),
            hint="Make room or make the folder writable; what is installed is as it was.",
        )

    def _damaged(self) -> StateError:
        return StateError(
            f"{self.path} is damaged, so no installed plugin is known",
            place=Place(str(self.path)),
            hint=f"Restore it from a backup, or move it away and install again: "
            f"mv {self.path} {self.path}.damaged",
        )


def _data(plugin: InstalledPlugin) -> dict[str, Any]:
    data = asdict(plugin)
    del data["id"]
    return data


def _plugin(name: str, entry: dict[str, Any]) -> InstalledPlugin:
    versions = tuple(
        InstalledVersion(**{**each, "asked": tuple(each["asked"])}) for each in entry["versions"]
    )
    plugin = InstalledPlugin(**{**entry, "id": name, "versions": versions, "held": tuple(entry["held"])})
    texts = (plugin.current, plugin.held_version, *plugin.held)
    for each in versions:
        texts += (
            each.version,
            each.source,
            each.origin,
            each.lineage,
            each.archive,
            each.publisher,
            each.installed_at,
        )
        texts += each.asked
    places = all(is_content(each.digest, name) for each in versions)
    if not places or not all(isinstance(each, str) for each in texts) or plugin.active is None:
        raise ValueError("not a plugin's record")
    return plugin
