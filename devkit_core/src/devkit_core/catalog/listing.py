"""The list of plugins for people, served from a cache."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from devkit_core.catalog.discovery import Candidate, candidates, folder_id, settle
from devkit_core.config.files import read_own, replace_file
from devkit_core.errors import DevKitError, DuplicatePlugin
from devkit_core.loading.folder import MANIFEST, read_bytes
from devkit_core.model.types import PluginInfo, PluginStatus

if TYPE_CHECKING:
    from devkit_core.loading.source import Source

__all__ = ["KindOf", "Listing"]

#: from a manifest's entry point and `[runtime] type` to the name of the loader that would run it
KindOf = Callable[[str, str | None], str]

_FORMAT = 1
_LIMIT = 32 * 1024 * 1024
_MOST = 5_000  # rows kept; those of other projects go first
# A file changed within the clock's last tick may change again without its times showing it.
_SETTLED_NS = 50_000_000

Key = list[int]


class _Row(NamedTuple):
    """What one manifest says; `key` is what its file was when it was read."""

    id: str
    name: str
    version: str
    description: str
    author: str
    kind: str
    capabilities: tuple[str, ...]
    warnings: int
    error: str | None
    error_code: str | None
    key: Key


class Listing:
    """Rows for `devkit plugin list`; nothing that loads or grants may come from here.

    `cache` is a file that several processes may share: it is replaced whole, ignored where it is damaged,
    not this user's alone or of another `stamp`, and no error where it can't be written. The stamp has to
    change with DevKit's version and the set of loaders.
    """

    def __init__(
        self,
        cache: Path | None,
        stamp: str,
        kind_of: KindOf,
        *,
        is_enabled: Callable[[str, Path], bool] = lambda plugin, folder: True,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._cache = cache
        self._stamp = stamp
        self._kind_of = kind_of
        self._is_enabled = is_enabled
        self._clock_ns = clock_ns

    def rows(self, sources: Iterable[Source]) -> list[PluginInfo]:
        """Return a row for every plugin that `discover` finds there, in its order, with the same verdicts."""
        known = self._load()
        fresh: dict[str, _Row] = {}
        found: list[PluginInfo] = []
        facts: list[tuple[str, str, Path, bool]] = []
        changed = False
        for candidate in candidates(sources):
            name = str(candidate.folder)
            row = None if candidate.error else _unchanged(known.get(name), candidate)
            if row is None:
                row, keep = self._read(candidate)
                changed |= keep
            else:
                keep = True
            if keep:
                fresh[name] = row
            found.append(self._info(row, candidate))
            facts.append((row.id, candidate.source, candidate.folder, row.error is None))
        if changed:
            self._save(fresh, known)
        return settle(found, facts, _duplicate, _shadow)

    def _read(self, candidate: Candidate) -> tuple[_Row, bool]:
        """Return a plugin's row, and whether it may be kept."""
        if candidate.error is not None:
            return _broken(f"source:{candidate.source}", candidate.error, []), False
        started = self._clock_ns()
        identity = folder_id(candidate.folder)
        try:
            data, facts = read_bytes(candidate.folder)
        except DevKitError as error:
            return _broken(identity, error, []), False
        key = _key(facts)
        keep = started - max(facts.st_mtime_ns, facts.st_ctime_ns) > _SETTLED_NS
        from devkit_core.model.manifest import parse

        try:
            parsed = parse(data, str(candidate.folder / MANIFEST))
        except DevKitError as error:
            return _broken(identity, error, key), keep
        manifest = parsed.manifest
        row = _Row(
            id=manifest.id,
            name=manifest.metadata.name,
            version=str(manifest.version),
            description=manifest.metadata.description,
            author=manifest.metadata.author,
            kind=self._kind_of(manifest.metadata.entry_point, manifest.runtime.type),
            capabilities=tuple(manifest.capabilities),
            warnings=len(parsed.warnings),
            error=None,
            error_code=None,
            key=key,
        )
        return row, keep

    def _info(self, row: _Row, candidate: Candidate) -> PluginInfo:
        enabled = row.error is not None or self._is_enabled(row.id, candidate.folder)
        status = PluginStatus.ERROR if row.error else PluginStatus.DISCOVERED
        return PluginInfo(
            id=row.id,
            name=row.name,
            version=row.version,
            description=row.description,
            author=row.author,
            kind=row.kind,
            source=candidate.source,
            folder=str(candidate.folder),
            status=status if enabled else PluginStatus.DISABLED,
            enabled=enabled,
            capabilities=row.capabilities,
            error=row.error,
            error_code=row.error_code,
            warnings=row.warnings,
        )

    def _load(self) -> dict[str, _Row]:
        data = read_own(self._cache, _LIMIT) if self._cache else None
        if data is None:
            return {}
        try:
            content = json.loads(data)
            if content["format"] != _FORMAT or content["stamp"] != self._stamp:
                return {}
            rows = {path: _row(each) for path, each in content["rows"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
        return {path: row for path, row in rows.items() if row is not None}

    def _save(self, fresh: dict[str, _Row], known: dict[str, _Row]) -> None:
        if self._cache is None:
            return
        others = [(path, row) for path, row in known.items() if path not in fresh]
        rows = dict(others[: max(0, _MOST - len(fresh))]) | fresh
        content = {
            "format": _FORMAT,
            "stamp": self._stamp,
            "rows": {path: row._asdict() for path, row in rows.items()},
        }
        with suppress(OSError, ValueError):
            replace_file(self._cache, json.dumps(content).encode())


def _unchanged(row: _Row | None, candidate: Candidate) -> _Row | None:
    if row is None:
        return None
    try:
        facts = os.lstat(candidate.folder / MANIFEST)
    except (OSError, ValueError):
        return None
    return row if row.key == _key(facts) else None


def _key(facts: os.stat_result) -> Key:
    return [
        facts.st_dev,
        facts.st_ino,
        facts.st_mode,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,
    ]


def _row(fields: dict[str, Any]) -> _Row | None:
    """Return a row of the cache, or None where it isn't shaped like one."""
    row = _Row(**{**fields, "capabilities": tuple(fields["capabilities"])})
    texts = (row.id, row.name, row.version, row.description, row.author, row.kind, *row.capabilities)
    optional = (row.error, row.error_code)
    fits = (
        all(isinstance(each, str) for each in texts)
        and all(each is None or isinstance(each, str) for each in optional)
        and isinstance(row.warnings, int)
        and isinstance(row.key, list)
    )
    return row if fits else None


def _broken(identity: str, error: DevKitError, key: Key) -> _Row:
    return _Row(identity, identity, "", "", "", "", (), 0, error.message, str(error.code), key)


def _duplicate(row: PluginInfo, error: DuplicatePlugin) -> PluginInfo:
    return replace(row, status=PluginStatus.ERROR, error=error.message, error_code=str(error.code))


def _shadow(row: PluginInfo, by: str) -> PluginInfo:
    return replace(row, shadowed_by=by)
