"""The entry points that installed distributions offer to DevKit."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from devkit_core.config.files import read_own, replace_file

__all__ = ["EXTENSIONS", "LOADERS", "EntryPoint", "scan"]

LOADERS = "devkit.loaders"
EXTENSIONS = "devkit.extensions"

_FORMAT = 1
_SCANS = 8
_LIMIT = 4 * 1024 * 1024


class EntryPoint(NamedTuple):
    """One entry point as its distribution declares it; nothing of it has been imported.

    `problem` says why the declaration itself can't be used.
    """

    group: str
    name: str
    distribution: str
    version: str
    value: str
    problem: str = ""


def scan(cache: Path | None = None, path: Sequence[str] | None = None) -> tuple[EntryPoint, ...]:
    """Return the entry points of both groups, in order of group, name and distribution.

    `path` stands for `sys.path`. With `cache`, a file, an earlier scan serves as long as no folder of the
    path has changed; a cache that is damaged, of another version or not this user's is ignored, and one
    that can't be written is no error.
    """
    path = list(sys.path if path is None else path)
    if cache is None:
        return _read_metadata(path)
    key = _key(path)
    scans = _cached(cache)
    for known, found in scans:
        if known == key:
            return found
    found = _read_metadata(path)
    # Environments of one user share the file, so it keeps the scans of several.
    scans = [(key, found), *scans[: _SCANS - 1]]
    content = {
        "format": _FORMAT,
        "scans": [{"key": known, "found": [each._asdict() for each in found]} for known, found in scans],
    }
    with suppress(OSError, ValueError):
        replace_file(cache, json.dumps(content).encode())
    return found


def _key(path: Sequence[str]) -> list[Any]:
    """Return what a scan depends on: the interpreter, and when each folder of the path changed last."""
    parts: list[Any] = [sys.hexversion, sys.prefix]
    for entry in path:
        try:
            facts = os.stat(entry or ".")
            parts.append([entry or os.getcwd(), facts.st_dev, facts.st_ino, facts.st_mtime_ns])
        except (OSError, ValueError):
            parts.append([entry, None, None, None])
    return parts


def _cached(cache: Path) -> list[tuple[list[Any], tuple[EntryPoint, ...]]]:
    data = read_own(cache, _LIMIT)
    if data is None:
        return []
    try:
        content = json.loads(data)
        if content["format"] != _FORMAT:
            return []
        scans = [
            (list(scan["key"]), tuple(EntryPoint(**each) for each in scan["found"]))
            for scan in content["scans"]
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    texts = (text for _, found in scans for each in found for text in each)
    return scans if all(isinstance(text, str) for text in texts) else []


def _read_metadata(path: Sequence[str]) -> tuple[EntryPoint, ...]:
    from importlib_metadata import distributions

    found: dict[str, list[EntryPoint]] = {}
    for entry in path:
        try:
            ours = [each for each in distributions(path=[entry]) if _mentions(each)]
        except (OSError, ValueError):  # an entry that can't be a path, or can't be listed
            continue
        for points in filter(None, map(_points, ours)):
            # The same distribution may lie twice on the path; as for imports, the first one counts.
            found.setdefault(points[0].distribution.lower().replace("_", "-"), points)
    return tuple(sorted(point for points in found.values() for point in points))


def _mentions(distribution: Any) -> bool:
    """Tell whether a distribution has entry points of ours, without parsing anything."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:  # noqa: BLE001 - metadata on disk may be anything
        return False
    return f"[{LOADERS}]" in text or f"[{EXTENSIONS}]" in text


def _points(distribution: Any) -> list[EntryPoint]:
    """Return a distribution's entry points, or one that carries why they can't be read."""
    name = version = ""
    try:
        name = str(distribution.metadata["Name"] or "")
        version = str(distribution.version or "")
        return [
            EntryPoint(each.group, each.name, name, version, each.value)
            for each in distribution.entry_points
            if each.group in (LOADERS, EXTENSIONS)
        ]
    except Exception as error:  # noqa: BLE001 - metadata on disk may be anything
        reason = f"its metadata can't be read: {type(error).__name__}: {error}"
        return [EntryPoint(EXTENSIONS, name or "unknown", name or "unknown", version, "", reason)]
