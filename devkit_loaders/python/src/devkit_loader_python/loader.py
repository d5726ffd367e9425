"""The loader of Python plugins."""

from __future__ import annotations

import ast
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from devkit_core.api import (
    Check,
    Entry,
    Finding,
    Fit,
    LoadRequest,
    Place,
    Problem,
    WorkerLoader,
    WorkerSpec,
    python_runtime,
)

__all__ = ["PythonLoader", "checks"]


class PythonLoader(WorkerLoader):
    """Runs `.py` files, and files whose shebang names Python, in workers forked from this interpreter."""

    name = "python"
    extensions = frozenset({".py", ".pyw"})
    templates = {"python": Path(__file__).parent / "templates" / "python"}  # noqa: RUF012 - read only

    def probe(self, entry: Entry) -> Fit:
        fit = super().probe(entry)
        if fit is Fit.NO and entry.declared is None and not entry.extension:
            program = entry.shebang.replace("/usr/bin/env", "").split("/")[-1].strip()
            return Fit.SHEBANG if program.startswith("python") else Fit.NO
        return fit

    def spec(self, request: LoadRequest) -> WorkerSpec:
        return WorkerSpec(python_runtime())

    def check(self, entry: Entry, source: bytes) -> Sequence[Problem]:
        """Find syntax errors and a missing `execute`; compiles, runs nothing."""
        path = str(entry.path)
        try:
            tree = ast.parse(source, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            text = source.decode("utf-8", "replace").splitlines()
            place = Place(
                path,
                line,
                getattr(error, "offset", None) or None,
                text=text[line - 1] if line and line <= len(text) else None,
            )
            return [Problem("entry-point-syntax", f"{getattr(error, 'msg', error)}", place)]
        names = {n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
        names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        aliases = [n for n in ast.walk(tree) if isinstance(n, ast.alias)]
        names |= {n.asname or n.name for n in aliases}
        script = any(isinstance(n, ast.Attribute) and n.attr == "argv" for n in ast.walk(tree)) or any(
            n.name in ("argparse", "optparse", "getopt", "click") for n in aliases
        )
        if names & {"execute", "*", "__getattr__"} or script:
            return ()
        return [
            Problem(
                "entry-function-missing",
                f"{entry.path.name} has no function `execute`",
                Place(path, 1),
                "define `def execute(input: str) -> str`, or answer `plugin.py execute INPUT`",
            )
        ]


def checks() -> Sequence[Check]:
    """Return what `devkit doctor` shows of Python."""

    def interpreter() -> Sequence[Finding]:
        return [Finding("python", "ok", f"Python {platform.python_version()} at {sys.executable}")]

    return [Check("python", interpreter)]
