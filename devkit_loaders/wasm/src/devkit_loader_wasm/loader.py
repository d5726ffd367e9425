"""The loader of WebAssembly plugins."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devkit_core.api import Entry, Fit, Instance, Loader, LoadError, LoadRequest, Place, Problem, reach
from devkit_loader_wasm.forms import examine, form_of, problems

if TYPE_CHECKING:
    import wasmtime

    from devkit_core.api import LocalCalls
    from devkit_loader_wasm.artefacts import Artefacts
    from devkit_loader_wasm.engine import Ticker
    from devkit_loader_wasm.output import Output
    from devkit_loader_wasm.program import Program
    from devkit_loader_wasm.sections import Module

__all__ = ["WasmLoader"]

_LARGEST = 256 << 20  # bytes of a module
_LARGEST_TEXT = 16 << 20  # bytes of a module in the text format
_TEMPLATES = Path(__file__).parent / "templates"


class WasmLoader(Loader):
    """Runs `.wasm` modules, and `.wat` texts, in this process; wasmtime is what holds them."""

    name = "wasm"
    extensions = frozenset({".wasm", ".wat"})
    templates = {name: _TEMPLATES / name for name in ("wasm-c", "wat")}  # noqa: RUF012 - read only
    confinement: Literal["runtime"] = "runtime"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: wasmtime.Engine | None = None
        self._ticker: Ticker | None = None

    def probe(self, entry: Entry) -> Fit:
        fit = super().probe(entry)
        if fit is not Fit.DECLARED and entry.declared is None and entry.head.startswith(b"\0asm"):
            return Fit.MAGIC
        return fit

    async def start(self, request: LoadRequest) -> Instance:
        from devkit_loader_wasm.instance import WasmInstance
        from devkit_loader_wasm.output import Output

        loop = asyncio.get_running_loop()
        output = Output(request.log, loop, request.limits.output_kb)
        # importing wasmtime, reading and compiling take their time; what is kept of a module is there at once
        program = self._kept(request, output) if self._engine is not None else None
        if program is None:
            program = await loop.run_in_executor(None, self._made, request, output)
        assert self._ticker is not None
        return WasmInstance(program, self._ticker, request)

    def _kept(self, request: LoadRequest, output: Output) -> Program | None:
        """Link a module from what is kept of it, None where nothing is."""
        path = request.entry.path
        found = _artefacts(request, output).find(self._running(), path)
        if found is None:
            return None
        module, compiled = found
        _refuse(request, problems(module, path, _functions(request)))
        return self._link(request, output, module, compiled)

    def _made(self, request: LoadRequest, output: Output) -> Program:
        """Link a module that is read, examined, and compiled where nothing of it is kept; blocks."""
        engine = self._running()
        if (kept := self._kept(request, output)) is not None:
            return kept
        path = request.entry.path
        source, mark = _read(path)
        source = _module(source, request.entry)
        module, found = examine(source, path, _functions(request))
        _refuse(request, found)
        artefacts = _artefacts(request, output)
        compiled = artefacts.load(engine, source, mark, module, path, request.start_seconds)
        return self._link(request, output, module, compiled)

    def _running(self) -> wasmtime.Engine:
        """Return the engine of all plugins; several threads may ask at once."""
        with self._lock:
            if self._engine is None:
                import wasmtime

                from devkit_loader_wasm.engine import Ticker, configure

                engine = wasmtime.Engine(configure())
                self._ticker = Ticker(engine)
                self._engine = engine
            return self._engine

    def _link(
        self, request: LoadRequest, output: Output, module: Module, compiled: wasmtime.Module
    ) -> Program:
        from devkit_loader_wasm.program import Program
        from devkit_loader_wasm.system import System

        form = form_of(module)
        assert form is not None
        allowed = reach(
            request.authority,
            folder=request.folder,
            scratch=request.scratch,
            cwd=request.cwd,
            environment=request.manifest.runtime.env,
        )
        for note in allowed.notes:
            output.line("stderr", f"[{note}]")
        for right in sorted(map(str, request.authority.granted)):
            if right.startswith(("network:", "process:", "system:")):
                output.line("stderr", f"[{right} gives nothing here: WASI preview 1 has no call for it]")
        return Program(
            request.id,
            request.entry.path,
            module,
            form,
            compiled,
            self._running(),
            System(module, allowed, request.entry.path.name, lambda: _host(request, output)),
            output,
            ("execute", *_functions(request)),
            request.payload_limit,
            request.limits.memory_mb,
        )

    def check(self, entry: Entry, source: bytes) -> Sequence[Problem]:
        """Find what is wrong with a module's imports and exports; compiles and runs nothing."""
        try:
            data = _module(source, entry)
        except LoadError as error:
            return [Problem(error.code, error.message, error.place, error.hint)]
        return examine(data, entry.path)[1]


def _functions(request: LoadRequest) -> list[str]:
    """Return the names of the manifest's functions, but for `execute`."""
    return sorted(name for name in request.manifest.functions if name != "execute")


def _artefacts(request: LoadRequest, output: Output) -> Artefacts:
    from devkit_loader_wasm.artefacts import Artefacts

    return Artefacts(request.cache / WasmLoader.name, lambda text: output.line("stderr", f"[{text}]"))


def _host(request: LoadRequest, output: Output) -> LocalCalls:
    from devkit_core.api import LocalCalls

    return LocalCalls(request.id, request.services, request.payload_limit, output.loop)


def _refuse(request: LoadRequest, found: Sequence[Problem]) -> None:
    """Raise the first of what keeps a module from being run."""
    for first in found:
        raise LoadError(first.message, code=first.code, place=first.place, hint=first.hint, plugin=request.id)


def _read(path: Path) -> tuple[bytes, str | None]:
    """Return a file's bytes, and what they are known by where that is sure."""
    from devkit_loader_wasm.seen import stamp

    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            mark = stamp(facts)  # before the bytes: they may change at any time
            source = file.read(
                min(facts.st_size, _LARGEST) + 1
            )  # a larger number would be allocated as it is
    except OSError as error:
        raise LoadError(
            f"{path.name} can't be read: {error.strerror}",
            code="entry-point-missing",
            place=Place(str(path)),
        ) from None
    if len(source) > _LARGEST:
        raise LoadError(
            f"{path.name} has over {_LARGEST:,} bytes", code="wasm-invalid", place=Place(str(path))
        )
    return source, mark


def _module(source: bytes, entry: Entry) -> bytes:
    """Return a module's bytes, translated from the text format where it is written in that."""
    if entry.extension != ".wat" or source.startswith(b"\0asm"):
        return source
    import wasmtime

    place = Place(str(entry.path))
    if len(source) > _LARGEST_TEXT:
        raise LoadError(
            f"{entry.path.name} has over {_LARGEST_TEXT:,} bytes", code="wasm-invalid", place=place
        )
    try:
        return bytes(wasmtime.wat2wasm(source))
    except wasmtime.WasmtimeError as error:
        raise LoadError(_first(str(error)), code="wasm-invalid", place=_place(str(error), place)) from None


def _first(said: str) -> str:
    return said.strip().splitlines()[0] if said.strip() else "it is no WebAssembly text"


def _place(said: str, place: Place) -> Place:
    """Return the line and column that the assembler's message names, as `--> <anon>:2:5`."""
    import re

    found = re.search(r"--> [^\n]*?:(\d+):(\d+)", said)
    return Place(place.path, int(found[1]), int(found[2])) if found else place
