"""Errors of plugins as events tell them: code, message, file and line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from devkit_core.errors import DevKitError, Place, WorkerCrashed

__all__ = ["blamed", "passing", "place_in", "told"]

_LIMIT = 2000  # characters of a message in an event
_ENDS = 8192  # characters of a traceback's beginning, and of its end, that are looked through


def told(error: DevKitError, folder: Path | None = None) -> dict[str, Any]:
    """Return an error as data of an event: `code`, `message`, `path`, `line`; the last two may be None."""
    path, line = (error.place.path, error.place.line) if error.place is not None else (None, None)
    if line is None and folder is not None:
        path, line = _shown(error, folder) or (path, line)
    return {"code": error.code, "message": error.message[:_LIMIT], "path": path, "line": line}


def passing(error: DevKitError) -> bool:
    """Say whether a start that failed so may go well another time: the worker was ended, or none made."""
    return isinstance(error.__cause__, WorkerCrashed) or error.code == "worker-start"


def blamed(error: DevKitError, folder: Path, entry: Path) -> Place:
    """Return the line of a plugin where an error arose as its traceback shows it, else its entry point."""
    return Place(*(_shown(error, folder) or (str(entry),)))


def _shown(error: DevKitError, folder: Path) -> tuple[str, int] | None:
    return place_in(f"{getattr(error, 'traceback', None) or ''}\n{error.message}", folder)


def place_in(text: str, folder: Path) -> tuple[str, int] | None:
    """Return the file and line of a plugin's folder where a traceback shows that the error arose.

    Python's tracebacks name the innermost frame last, those of JavaScript and of compilers first.
    """
    if len(text) > 2 * _ENDS:  # it is the plugin's own text, and may be made to take long
        text = f"{text[:_ENDS]}\n{text[-_ENDS:]}"
    roots = "|".join(re.escape(each) for each in {str(folder), os.path.realpath(folder)})
    python = re.findall(rf'File "((?:{roots})/[^"\n]{{1,500}})", line (\d+)', text)
    if python:
        path, line = python[-1]
        return path, int(line)
    other = re.search(rf"((?:{roots})/[^\s:()\"']{{1,500}}):(\d+)", text)
    return (other[1], int(other[2])) if other else None
