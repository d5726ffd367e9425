"""The loader of Python plugins."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Sequence
from pathlib import Path

from devkit_core.api import (
    DevKitError,
    Entry,
    Fit,
    LoadError,
    LoadRequest,
    Place,
    Problem,
    WorkerLoader,
    WorkerSpec,
    python_runtime,
    read_bounded,
)

__all__ = ["PythonLoader"]

_SOURCE = 64 << 20  # bytes of an entry point; a longer one has no block that is looked for


class PythonLoader(WorkerLoader):
    """Runs `.py` files, and files whose shebang names Python, in workers forked from this interpreter."""

    name = "python"
    extensions = frozenset({".py", ".pyw"})
    reads_python = True
    templates = {"python": Path(__file__).parent / "templates" / "python"}  # noqa: RUF012 - read only

    def probe(self, entry: Entry) -> Fit:
        fit = super().probe(entry)
        if fit is Fit.NO and entry.declared is None and not entry.extension:
            program = entry.shebang.replace("/usr/bin/env", "").split("/")[-1].strip()
            return Fit.SHEBANG if program.startswith("python") else Fit.NO
        return fit

    def spec(self, request: LoadRequest) -> WorkerSpec | Awaitable[WorkerSpec]:
        needed = _needed(request)
        return self._with_packages(request, needed) if needed else WorkerSpec(python_runtime())

    async def _with_packages(self, request: LoadRequest, needed: tuple[str, ...]) -> WorkerSpec:
        """Return a worker that also finds the packages of an environment, which is made first if need be."""
        from devkit_loader_python.environments import ensure
        from devkit_loader_python.installers import Follow

        loop = asyncio.get_running_loop()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(request.log, "note", f"fetching {', '.join(needed)}")

        follow = Follow(tell)
        try:
            made = await asyncio.to_thread(ensure, needed, request.cache, follow)
        except asyncio.CancelledError:
            follow.stop()
            raise
        except DevKitError as error:
            error.plugin = request.id
            if error.place is None:
                in_manifest = bool(request.manifest.python.requires)
                file = request.folder / "plugin.toml" if in_manifest else request.entry.path
                error.place = Place(str(file), key="python.requires" if in_manifest else None)
            raise
        runtime = python_runtime()
        runtime = dataclasses.replace(runtime, read=(*runtime.read, made.packages))
        return WorkerSpec(runtime, path=(str(made.packages),))

    def check(self, entry: Entry, source: bytes) -> Sequence[Problem]:
        """Find syntax errors, a block of metadata that can't be used, a missing `execute`; runs nothing."""
        from devkit_loader_python.requirements import script_block

        path = str(entry.path)
        try:
            script_block(source, entry.path)
        except LoadError as error:
            return [Problem(error.code, error.message, error.place, error.hint)]
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


def _needed(request: LoadRequest) -> tuple[str, ...]:
    """Return what the manifest and the entry point's own block ask for; raises LoadError."""
    from devkit_loader_python.requirements import script_block

    try:
        source = read_bounded(request.entry.path, _SOURCE)[0]
    except OSError:
        source = b""  # its worker says what is wrong with it
    return (*request.manifest.python.requires, *script_block(source, request.entry.path).dependencies)
