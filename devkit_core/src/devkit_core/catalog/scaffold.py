"""Makes a new plugin's folder from a loader's template."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from string import Template

from devkit_core.errors import ExtensionError, Place, StateError, UsageError

__all__ = ["render", "write"]

_SUFFIX = ".template"


def render(template: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a template as relative path to text, `$name` replaced by `values`.

    A template is a folder whose files end in `.template`; the rest of the name is the file's. Raises
    ExtensionError for a template that names a value which isn't given, or can't be read.
    """
    files = {}
    try:
        for path in sorted(template.rglob(f"*{_SUFFIX}")):
            name = str(path.relative_to(template)).removesuffix(_SUFFIX)
            files[name] = Template(path.read_text("utf-8")).substitute(values)
    except (OSError, ValueError, KeyError) as error:
        raise ExtensionError(
            f"a template can't be used: {error}", code="template-broken", place=Place(str(template))
        ) from error
    if "plugin.toml" not in files:
        raise ExtensionError(
            "a template has no plugin.toml", code="template-broken", place=Place(str(template))
        )
    return files


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder with its files, all or nothing.

    Raises UsageError, `folder-exists`, where something of that name is there, and StateError where it
    can't be written. A file that starts with `#!` may be executed.
    """
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} exists already",
            code="folder-exists",
            place=Place(str(folder)),
            hint="choose another id, or another place with --dir",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place, so that one rename shows it whole; discovery skips names with a dot.
        made = folder.parent / f".{folder.name}.{os.getpid()}"
        made.mkdir()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for name, text in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            if text.startswith("#!"):
                path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        made.rename(folder)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> StateError:
    return StateError(
        f"{folder} can't be made: {error.strerror or error}",
        code="folder-unwritable",
        place=Place(str(folder)),
        hint="choose another place with --dir",
    )
