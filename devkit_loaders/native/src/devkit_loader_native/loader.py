"""The loader of native plugins."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from devkit_core.api import (
    Check,
    Entry,
    Finding,
    Fit,
    Instance,
    LoadError,
    LoadRequest,
    Place,
    Problem,
    WorkerLoader,
    WorkerSpec,
    python_runtime,
)
from devkit_loader_native import headers

__all__ = ["NativeLoader", "checks"]

_HERE = Path(__file__).parent
_NEEDED = "create_plugin"


def _bridge() -> Path | None:
    """Return cffi's compiled part, which is all of cffi that runs."""
    found = importlib.util.find_spec("_cffi_backend")
    return Path(found.origin) if found and found.origin else None


class NativeLoader(WorkerLoader):
    """Runs shared libraries in workers, or in this process where the user trusts the plugin."""

    name = "native"
    extensions = frozenset({".so", ".dylib", ".dll"})
    templates = {"c": _HERE / "templates" / "c"}  # noqa: RUF012 - read only
    program = _HERE / "program.py"
    #: where the zygote finds cffi's compiled part and this package
    program_folders: ClassVar[tuple[str, ...]] = tuple(
        dict.fromkeys(str(path.parent) for path in (_bridge(), _HERE) if path is not None)
    )

    def probe(self, entry: Entry) -> Fit:
        fit = super().probe(entry)
        if fit is Fit.NO and entry.declared is None and entry.extension not in self.extensions:
            header = headers.read(entry.head)
            if header is not None and header.kind == "library" and not header.program:
                return Fit.MAGIC
        return fit

    def spec(self, request: LoadRequest) -> WorkerSpec:
        return WorkerSpec(python_runtime())

    async def start(self, request: LoadRequest) -> Instance:
        if _bridge() is None:
            raise LoadError(
                "cffi, by which native plugins are called, is not installed",
                code="runtime-missing",
                plugin=request.id,
                hint="pip install cffi",
            )
        entry = request.entry
        problem = _refusal(entry, os.stat(entry.path).st_size)
        if problem is not None:
            raise LoadError(
                problem.message,
                code=problem.code,
                place=problem.place,
                hint=problem.hint,
                plugin=request.id,
            )
        if request.trusted:
            from devkit_loader_native.inprocess import TrustedInstance

            return TrustedInstance(request)
        return await super().start(request)

    def check(self, entry: Entry, source: bytes) -> Sequence[Problem]:
        """Find a file that is no library of this machine, or exports no `create_plugin`; loads nothing."""
        problem = _refusal(entry, len(source))
        if problem is not None:
            return [problem]
        names = headers.exports(source)
        if names is None or _NEEDED in names:
            return ()
        return [
            Problem(
                "library-symbol-missing",
                f"{entry.path.name} exports no `{_NEEDED}`",
                Place(str(entry.path)),
                'export it as `PluginInterface *create_plugin(void)`, in C++ within `extern "C"`',
            )
        ]


def _refusal(entry: Entry, size: int) -> Problem | None:
    """Return why a file can't be loaded here, as far as its header says."""
    name, place = entry.path.name, Place(str(entry.path))
    header = headers.read(entry.head)
    if header is None:
        text = "an empty file" if not size else "no shared library"
        return Problem("library-invalid", f"{name} is {text}", place, "build it with `cc -shared -fPIC`")
    ours = _ours()
    if ours is not None and (header.format, header.bits) != (ours.format, ours.bits):
        same = False
    else:
        same = ours is None or header.machine in (ours.machine, "any")
    if not same:
        return Problem(
            "library-architecture",
            f"{name} is made for another kind of machine: {header}",
            place,
            f"build it for {ours.format} {ours.machine} {ours.bits}-bit" if ours else None,
        )
    if header.kind != "library" or header.program:
        what = (
            "a program"
            if header.program
            else f"a {header.kind}"
            if header.kind[0] != "o"
            else "an object file"
        )
        return Problem(
            "library-invalid",
            f"{name} is {what}, not a shared library",
            place,
            "link it with `cc -shared -fPIC`",
        )
    if size < header.size:
        return Problem(
            "library-invalid",
            f"{name} is cut off: it has {size:,} bytes and needs {header.size:,}",
            place,
            "copy or build it again",
        )
    return None


def _ours() -> headers.Header | None:
    """Return the header of a library that runs in this very process."""
    bridge = _bridge()
    if bridge is None:
        return None
    with bridge.open("rb") as file:
        return headers.read(file.read(4096))


def checks() -> Sequence[Check]:
    """Return what `devkit doctor` shows of native plugins."""
    return [Check("native", _findings)]


def _findings() -> Sequence[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    ours = _ours()
    if ours is None:
        found = [Finding("native", "error", "cffi is not installed", "pip install cffi")]
    else:
        try:
            number = version("cffi")
        except PackageNotFoundError:
            number = "of unknown version"
        kind = f"{ours.format} {ours.machine} {ours.bits}-bit"
        found = [Finding("native", "ok", f"cffi {number} runs {kind} libraries")]
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if compiler is None:
        return [
            *found,
            Finding("native", "info", "no C compiler: native plugins run, and can't be built here"),
        ]
    told = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=5, check=False)
    line = told.stdout.splitlines()[0] if told.stdout else compiler
    return [*found, Finding("native", "info", f"C compiler: {line}")]
