"""What is plainly wrong in an entry point's text; runs nothing."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devkit_core.api import Entry, LoadError, Place, Problem
from devkit_loader_node.runtime import find_path

__all__ = ["check"]

_UNCAUGHT = re.compile(r"^ENTRY:(\d+)\n.*\n( *)\^.*\n\n(?:SyntaxError: )?(.*)$", re.M)
_SCRIPT = Path(__file__).parent / "worker" / "check.cjs"


def check(entry: Entry, source: bytes) -> Sequence[Problem]:
    """Return a source's problems; an empty list too where there is no Node.js to parse it."""
    try:
        node = find_path()
    except LoadError as error:
        return [Problem(error.code, error.message, Place(str(entry.path)), error.hint, warning=True)]
    try:
        ran = subprocess.run(
            [
                *(node, "--experimental-vm-modules", "--no-warnings", "--permission"),
                *(f"--allow-fs-read={_SCRIPT.parent}/*", str(_SCRIPT), entry.extension),
            ],
            input=source,
            capture_output=True,
            timeout=20,
            check=False,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
        found = json.loads(ran.stdout) if ran.stdout else [_uncaught(ran.stderr.decode("utf-8", "replace"))]
    except (OSError, ValueError, subprocess.SubprocessError):
        return [Problem("entry-point-syntax", "the file can't be parsed", Place(str(entry.path)))]
    lines = source.decode("utf-8", "replace").splitlines()
    problems = []
    for each in found:
        line = each.get("line")
        text = lines[line - 1] if line and line <= len(lines) else None
        place = Place(str(entry.path), line or 1, each.get("column"), text=text)
        message = each["message"].replace("ENTRY", entry.path.name)
        problems.append(Problem(each["code"], message, place, each.get("hint")))
    return problems


def _uncaught(told: str) -> dict[str, Any]:
    """Read the place of an error from what Node prints when it ends by it."""
    found = _UNCAUGHT.search(told)
    problem: dict[str, Any] = {"code": "entry-point-syntax", "message": "the file can't be parsed"}
    if found is None:
        return problem
    return {**problem, "message": found[3], "line": int(found[1]), "column": len(found[2]) + 1}
