"""The loader of WebAssembly plugins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devkit_core.api import Entry, Fit, Instance, Loader, LoadError, LoadRequest, Place, Problem, reach
from devkit_loader_wasm.forms import examine, form_of

if TYPE_CHECKING:
    import wasmtime

    from devkit_loader_wasm.engine import Ticker
    from devkit_loader_wasm.output import Output
    from devkit_loader_wasm.program import Program

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
        output = Output(request.log, loop)
        program = await loop.run_in_executor(None, self._program, request, output)
        assert self._ticker is not None
        return WasmInstance(program, self._ticker, request)

    def _program(self, request: LoadRequest, output: Output) -> Program:
        """Read, examine, compile or fetch, and link a module; blocks."""
        import wasmtime

        from devkit_loader_wasm.artefacts import Artefacts
        from devkit_loader_wasm.engine import Ticker, configure
        from devkit_loader_wasm.program import Program
        from devkit_loader_wasm.system import System

        def say(text: str) -> None:
            output.line("stderr", f"[{text}]")

        path = request.entry.path
        source = _module(_read(path), request.entry)
        functions = ("execute", *sorted(name for name in request.manifest.functions if name != "execute"))
        module, problems = examine(source, path, functions[1:])
        form = form_of(module)
        if problems or form is None:
            first = problems[0]
            raise LoadError(
                first.message, code=first.code, place=first.place, hint=first.hint, plugin=request.id
            )
        allowed = reach(
            request.authority,
            folder=request.folder,
            scratch=request.scratch,
            cwd=request.cwd,
            environment=request.manifest.runtime.env,
        )
        for note in allowed.notes:
            say(note)
        for right in sorted(map(str, request.authority.granted)):
            if right.startswith(("network:", "process:", "system:")):
                say(f"{right} gives nothing here: WASI preview 1 has no call for it")
        if self._engine is None:
            self._engine = wasmtime.Engine(configure())
            self._ticker = Ticker(self._engine)
        artefacts = Artefacts(request.cache / self.name, say)
        compiled = artefacts.load(self._engine, source, path, request.start_seconds)
        return Program(
            request.id,
            path,
            module,
            form,
            compiled,
            self._engine,
            System(module, allowed, path.name),
            output,
            functions,
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


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size  # a larger number would be allocated as it is
            source = file.read(min(size, _LARGEST) + 1)
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
    return source


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
