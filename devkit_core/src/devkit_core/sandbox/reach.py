"""What a runtime that confines by itself opens for its plugin."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devkit_core.sandbox.authority import Authority
from devkit_core.sandbox.landlock import READ, Files
from devkit_core.sandbox.plan import Rules, homes, variables

__all__ = ["Reach", "reach"]


@dataclass(frozen=True, slots=True)
class Reach:
    """Folders, each with whether it may be written, and variables; nothing else is there for the plugin.

    `notes` say in plain words what was given differently from what a reader of the grants may expect.
    """

    folders: tuple[tuple[str, bool], ...]
    environment: Mapping[str, str]
    notes: tuple[str, ...] = ()


def reach(
    authority: Authority,
    *,
    folder: Path,
    scratch: Path,
    cwd: Path,
    environment: Mapping[str, str],
    environ: Mapping[str, str] = os.environ,
) -> Reach:
    """Return what the granted rights open, as folders and variables; called by in-process loaders.

    Without a right to files no folder is open. `filesystem:read` opens the plugin's own folder too. A right
    to a single file opens nothing, since such runtimes open whole folders; a note says so. Raises
    PermissionDenied `environment-refused` as `build` does.
    """
    files = frozenset(p for p in authority.granted if p.domain == "filesystem")
    if not files:
        return Reach((), variables(authority, environment, environ))
    rules = Rules(folder, scratch, cwd, homes(environ))
    rules.add_grants(Authority(files, frozenset()))
    if None in authority.scopes("filesystem", "read"):
        rules.add(folder, READ)
    notes = list(rules.notes)
    folders = []
    for path, rights in rules.rules():
        if not os.path.isdir(path):
            notes.append(f"{path} is a file, and this runtime can only open folders: grant its folder")
        elif not rights & Files.READ_FILE:
            notes.append(f"{path} may be written but not read, which this runtime can't tell apart")
        else:
            folders.append((path, bool(rights & Files.WRITE_FILE)))
    return Reach(tuple(folders), variables(authority, environment, environ), tuple(notes))
