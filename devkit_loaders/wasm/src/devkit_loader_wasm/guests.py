"""The three forms of module, as the host calls them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from devkit_core.api import ExecutionError, PayloadTooLarge, PluginRaised, how_to_raise
from devkit_loader_wasm.crossing import OutOfBounds
from devkit_loader_wasm.sections import Signature
from devkit_loader_wasm.stopping import Exited

if TYPE_CHECKING:
    from devkit_loader_wasm.program import Program, World

__all__ = ["CommandGuest", "Guest", "PlainGuest", "ReactorGuest", "Steps"]

T = TypeVar("T")
#: something done in slices of time
Steps: TypeAlias = Generator[None, None, T]

_ERROR = 0x8000_0000  # in a packed answer's length: it is an error's message
_MESSAGE = 64 * 1024  # bytes of an error's message that are kept
_ARGUMENT = 64 * 1024  # bytes of input that a command gets as an argument


class Guest(ABC):
    """One instance of a module.

    Everything it does is in steps. Soft failures are errors of the plugin's own making, after which the
    instance goes on; after any other exception it is not used again.
    """

    def __init__(self, program: Program, world: World) -> None:
        self.program = program
        self.world = world
        self.halt = world.halt

    @abstractmethod
    def initialize(self, config: bytes | None) -> Steps[None]:
        """Run what the module has of initializing, with its settings where it has some.

        Raises PluginRaised.
        """

    @abstractmethod
    def configure(self, config: bytes) -> Steps[None]:
        """Give the module its settings, as JSON; called where it takes them. Raises PluginRaised."""

    @abstractmethod
    def execute(self, function: int, data: bytes) -> Steps[bytes]:
        """Run `execute`, or the function of that number."""

    def attempt(self, function: int, data: bytes) -> bytes | Steps[bytes]:
        """Run `execute` for a first slice of time: return the answer, or the steps that are left."""
        steps = self.execute(function, data)
        try:
            next(steps)
        except StopIteration as end:
            answer: bytes = end.value
            return answer
        return steps

    @abstractmethod
    def shutdown(self) -> Steps[None]:
        """Run what the module has of shutting down."""

    def close(self) -> None:
        """Free the instance."""
        self.world.close()


class _Library(Guest):
    """A module whose functions are called again and again, in one instance."""

    def __init__(self, program: Program, world: World) -> None:
        super().__init__(program, world)
        self._calls = world.calls()

    def _export(self, name: str) -> Any:
        """Return an exported function as it is called, None where the module has none of that name."""
        signature = self.program.module.functions.get(name)
        return None if signature is None else self._calls.function(name, signature)

    def _invalid(self, error: OutOfBounds) -> ExecutionError:
        return ExecutionError(
            f"`{self.program.plugin}` broke its interface: {error}",
            code="wasm-answer-invalid",
            plugin=self.program.plugin,
        )

    def _no_room(self, name: str, size: int) -> PluginRaised:
        return PluginRaised(
            f"{name} gave no room for {size:,} bytes; its memory may grow to {self.program.memory_mb} MiB",
            plugin=self.program.plugin,
            hint=how_to_raise("memory_mb", self.program.plugin),
        )

    def _check_size(self, size: int) -> None:
        if size > self.program.payload_limit:
            raise PayloadTooLarge(
                f"the result has {size:,} bytes; the limit is {self.program.payload_limit:,}",
                plugin=self.program.plugin,
                hint=how_to_raise("payload_mb", self.program.plugin),
            )


class PlainGuest(_Library):
    """A module that exports devkit_alloc and devkit_execute."""

    def __init__(self, program: Program, world: World) -> None:
        super().__init__(program, world)
        self._call = self._calls.call
        self._read, self._write = self._calls.read, self._calls.write
        self._alloc = self._export("devkit_alloc")
        self._free = self._export("devkit_free")
        names = ["devkit_execute", *(f"devkit_function_{name}" for name in program.functions[1:])]
        self._functions = [self._export(name) for name in names]
        self._buffer, self._room = 0, -1
        # one call is one crossing where nothing has to be freed after it
        self._quick = getattr(self._calls, "exchange", None) if self._free is None else None
        self._limit = program.payload_limit  # an error's packed answer is over it

    def initialize(self, config: bytes | None) -> Steps[None]:
        if (function := self._export("_initialize")) is not None:
            yield from self._call(function)
        if config is not None:
            yield from self.configure(config)
        if (function := self._export("devkit_initialize")) is not None:
            packed = yield from self._call(function)
            if packed:
                yield from self._answer(packed)

    def configure(self, config: bytes) -> Steps[None]:
        with self.program.system.settings(config):
            if (function := self._export("devkit_configure")) is not None:
                yield from self._exchange(function, config)

    def execute(self, function: int, data: bytes) -> Steps[bytes]:
        return self._exchange(self._functions[function], data)

    def _exchange(self, function: Any, data: bytes) -> Steps[bytes]:
        try:
            if len(data) > self._room:
                # the buffer stays ours for the next input; one that outgrows it replaces it
                room = max(4096, len(data))
                self._buffer, self._room = (yield from self._call(self._alloc, room)), room
                if not self._buffer:
                    self._room = -1
                    raise self._no_room("devkit_alloc", room)
            self._write(self._buffer, data)
            packed = yield from self._call(function, self._buffer, len(data))
            at, size = packed >> 32, packed & 0xFFFF_FFFF
            if size & _ERROR or self._free is not None:
                return (yield from self._answer(packed))
            self._check_size(size)
            return self._read(at, size) if size else b""
        except OutOfBounds as error:
            raise self._invalid(error) from None

    def attempt(self, function: int, data: bytes) -> bytes | Steps[bytes]:
        if self._quick is None or len(data) > self._room:
            return super().attempt(function, data)
        try:
            answer = self._quick(self._functions[function], self._buffer, data, self._limit)
        except OutOfBounds as error:
            raise self._invalid(error) from None
        if type(answer) is bytes:
            return answer
        return self._rest(_known(answer) if type(answer) is int else answer)

    def _rest(self, packed: Steps[int]) -> Steps[bytes]:
        try:
            return (yield from self._answer((yield from packed)))
        except OutOfBounds as error:
            raise self._invalid(error) from None

    def _answer(self, packed: int) -> Steps[bytes]:
        """Return the bytes of a packed answer, freed where the module wants that; raises what it reports."""
        at, size = packed >> 32, packed & 0xFFFF_FFFF
        failed, size = bool(size & _ERROR), size & ~_ERROR
        if not failed:
            self._check_size(size)
        data = self._read(at, min(size, _MESSAGE) if failed else size) if size else b""
        if self._free is not None and size:
            yield from self._call(self._free, at, size)
        if failed:
            message = data.decode("utf-8", "replace") or "the plugin reported an error without a message"
            raise PluginRaised(message, plugin=self.program.plugin)
        return data

    def shutdown(self) -> Steps[None]:
        if (function := self._export("devkit_shutdown")) is not None:
            yield from self._call(function)


class ReactorGuest(_Library):
    """A module that exports the C interface's names: texts that end with a zero byte."""

    def __init__(self, program: Program, world: World) -> None:
        super().__init__(program, world)
        self._call = self._calls.call
        self._malloc = self._export("malloc")
        self._free = self._export("free")
        self._functions = [self._export(name) for name in program.functions]

    def initialize(self, config: bytes | None) -> Steps[None]:
        if (function := self._export("_initialize")) is not None:
            yield from self._call(function)
        if config is not None:
            yield from self.configure(config)
        if (function := self._export("initialize")) is not None:
            status = yield from self._call(function)
            yield from self._check_status("initialize", status)

    def configure(self, config: bytes) -> Steps[None]:
        with self.program.system.settings(config):
            if (function := self._export("configure")) is not None:
                yield from self._give(function, config)

    def _give(self, function: Any, config: bytes) -> Steps[None]:
        try:
            at = yield from self._place(config)
            status = yield from self._call(function, at)
            if self._free is not None:
                yield from self._call(self._free, at)
        except OutOfBounds as error:
            raise self._invalid(error) from None
        yield from self._check_status("configure", status)

    def _check_status(self, name: str, status: int) -> Steps[None]:
        if self.program.module.functions[name].gives and status:
            number = status - (1 << 32) if status & _ERROR else status
            error = yield from self._complaint()
            if isinstance(error, PluginRaised):
                raise error
            raise PluginRaised(f"{name} returned {number}", plugin=self.program.plugin)

    def _place(self, text: bytes) -> Steps[int]:
        """Put a text into memory of the module's and return where it is."""
        at: int = yield from self._call(self._malloc, len(text) + 1)
        if not at:
            raise self._no_room("malloc", len(text) + 1)
        self._calls.write(at, text + b"\0")
        return at

    def execute(self, function: int, data: bytes) -> Steps[bytes]:
        if (nul := data.find(b"\0")) >= 0:
            raise ExecutionError(
                f"`{self.program.plugin}` takes a C string, which the NUL at byte {nul} would end",
                code="input-has-nul",
                plugin=self.program.plugin,
            )
        try:
            at = yield from self._place(data)
            answer = yield from self._call(self._functions[function], at)
            text = self._calls.read_text(answer) if answer else None
            if self._free is not None:
                yield from self._call(self._free, at)
                if answer and answer != at:
                    yield from self._call(self._free, answer)
        except OutOfBounds as error:
            raise self._invalid(error) from None
        if text is None:
            raise (yield from self._complaint())
        self._check_size(len(text))
        return text

    def _complaint(self) -> Steps[ExecutionError]:
        """Return the error for an answer of NULL: what last_error says, where there is that."""
        plugin = self.program.plugin
        if (function := self._export("last_error")) is not None:
            try:
                at = yield from self._call(function)
                message = self._calls.read_text(at)[:_MESSAGE] if at else b""
            except OutOfBounds as error:
                return self._invalid(error)
            if message:
                return PluginRaised(message.decode("utf-8", "replace"), plugin=plugin)
        return ExecutionError(f"`{plugin}` returned NULL", code="result-null", plugin=plugin)

    def shutdown(self) -> Steps[None]:
        if (function := self._export("shutdown")) is not None:
            yield from self._call(function)


class CommandGuest(Guest):
    """A program that is run anew for each call: its arguments or stdin in, its stdout out."""

    def initialize(self, config: bytes | None) -> Steps[None]:
        if config is not None:
            yield from self.configure(config)

    def configure(self, config: bytes) -> Steps[None]:
        with self.program.system.settings(config):
            yield from ()

    def shutdown(self) -> Steps[None]:
        yield from ()

    def execute(self, function: int, data: bytes) -> Steps[bytes]:
        plugin = self.program.plugin
        answer, said = bytearray(), bytearray()
        limit = self.program.payload_limit
        halt = self.halt

        def take(part: bytes) -> int:
            if len(answer) + len(part) > limit:
                answer.extend(part[: limit + 1 - len(answer)])
                halt.set()  # it may go on writing for ever
                return -1
            answer.extend(part)
            return len(part)

        def note(part: bytes) -> None:
            said.extend(part[: max(0, _MESSAGE - len(said))])
            self.world.stderr(part)

        arguments, stdin = _arguments(self.program.functions[function], data)
        self.world.begin(arguments, stdin, take, note)
        status = 0
        try:
            entry = self.world.calls()
            yield from entry.call(entry.function("_start", Signature((), ())))
        except Exited as exited:
            status = exited.status
        except Exception:
            if len(answer) <= limit:
                raise
        if len(answer) > limit:
            raise PayloadTooLarge(
                f"the result is over the limit of {limit:,} bytes",
                plugin=plugin,
                hint=how_to_raise("payload_mb", plugin),
            )
        if status:
            text = said.decode("utf-8", "replace").strip()
            last = text.splitlines()[-1] if text else ""
            raise PluginRaised(
                f"it exited with status {status}{': ' + last if last else ''}", traceback=text, plugin=plugin
            )
        return bytes(answer)


def _known(value: int) -> Steps[int]:
    yield from ()
    return value


def _arguments(function: str, data: bytes) -> tuple[list[str], bytes]:
    """Return a command's arguments and stdin: the input is an argument where it can be one."""
    if len(data) <= _ARGUMENT and b"\0" not in data:
        try:
            return [function, data.decode()], b""
        except UnicodeDecodeError:
            pass
    return [function], data
