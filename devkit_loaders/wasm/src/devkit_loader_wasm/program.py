"""A compiled module, which its instances share, and an instance's world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.api import LoadError, Place, ResourceExhausted, how_to_raise
from devkit_loader_wasm.crossing import Calls, calls
from devkit_loader_wasm.forms import Form, takes_settings
from devkit_loader_wasm.guests import CommandGuest, Guest, PlainGuest, ReactorGuest
from devkit_loader_wasm.stopping import Halt, translate

if TYPE_CHECKING:
    import wasmtime

    from devkit_loader_wasm.output import Output
    from devkit_loader_wasm.sections import Module
    from devkit_loader_wasm.system import System

__all__ = ["Program", "World"]

_TABLE_ELEMENTS = 200_000  # of all tables of an instance, at 8 bytes or more
_TABLES = 16
_GUESTS: dict[Form, type[Guest]] = {
    Form.PLAIN: PlainGuest,
    Form.COMMAND: CommandGuest,
    Form.REACTOR: ReactorGuest,
}


class Program:
    """One loaded plugin's code; makes instances of it.

    `functions` are names by number, `execute` being the first. Making it links the module. Raises
    LoadError `wasm-link-failed`.
    """

    def __init__(
        self,
        plugin: str,
        path: Path,
        module: Module,
        form: Form,
        compiled: wasmtime.Module,
        engine: wasmtime.Engine,
        system: System,
        output: Output,
        functions: Sequence[str],
        payload_limit: int,
        memory_mb: int,
    ) -> None:
        import wasmtime

        self.plugin = plugin
        self.module = module
        self.form = form
        self.engine = engine
        self.system = system
        self.output = output
        self.functions = tuple(functions)
        self.payload_limit = payload_limit
        self.memory_mb = memory_mb
        linker = system.linker(engine, lambda text: output.line("stderr", text))
        try:
            self.linked = linker.instantiate_pre(compiled)
        except wasmtime.WasmtimeError as error:
            raise LoadError(
                f"{path.name} can't be linked: {' '.join(str(error).split())[:500]}",
                code="wasm-link-failed",
                place=Place(str(path)),
                plugin=plugin,
                hint="docs/reference/wasm-abi.md has the signatures of what a module may import",
            ) from None

    @property
    def takes_config(self) -> bool:
        """Whether the module can be given settings."""
        return takes_settings(self.module, self.form, self.functions[1:])

    @property
    def short(self) -> bool:
        """Whether calls may be short: they run in an instance that is there, and never wait."""
        return self.form is not Form.COMMAND and not self.system.waits

    @property
    def instant(self) -> bool:
        """Whether an instance is made in a moment: none of the module's own code runs then."""
        return self.short and not self.module.starts

    def guest(self, halt: Halt) -> Guest:
        """Return a fresh instance, which `halt` ends; runs the module's start function, in this thread.

        Raises ResourceExhausted where the module's own memory is over the limit, Trapped, Exited, Halted.
        """
        world = World(self, halt)
        try:
            return _GUESTS[self.form](self, world)
        except BaseException:
            world.close()
            raise


class World:
    """What one instance lives in: its store with its limits, and its streams."""

    def __init__(self, program: Program, halt: Halt) -> None:
        import wasmtime

        self.halt = halt
        self.program = program
        self.store = wasmtime.Store(program.engine, halt if program.system.waits else None)
        self.store.set_limits(
            memory_size=program.memory_mb << 20,
            table_elements=_TABLE_ELEMENTS,
            instances=1,
            tables=_TABLES,
            memories=1,
        )
        self.stdout = program.output.taker("stdout")
        self.stderr = program.output.taker("stderr")
        if program.form is not Form.COMMAND:
            self.begin()

    def begin(
        self,
        arguments: Sequence[str] = (),
        stdin: bytes = b"",
        stdout: Callable[[bytes], int | None] | None = None,
        stderr: Callable[[bytes], int | None] | None = None,
    ) -> None:
        """Lay out the WASI world; a command's streams are its caller's."""
        self.program.system.furnish(
            self.store, stdout or self.stdout, stderr or self.stderr, arguments, stdin
        )

    def calls(self) -> Calls:
        """Make an instance and return the way into it; runs the module's start function."""
        import wasmtime

        program = self.program
        try:
            return calls(self.store, program.linked, program.module, self.halt)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            if isinstance(error, wasmtime.WasmtimeError) and "exceeds" in (text := str(error)):
                raise ResourceExhausted(
                    f"`{program.plugin}` asks for more than its limits: {' '.join(text.split())}",
                    plugin=program.plugin,
                    hint=how_to_raise("memory_mb", self.program.plugin),
                ) from None
            raise translate(error, self.halt) from None

    def close(self) -> None:
        """Free the store and the memory of all that lives in it."""
        self.store.close()
