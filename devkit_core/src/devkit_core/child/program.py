"""A plugin's Python file as functions that take and return bytes."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from .failing import Broken, failure
from .inputs import Incoming, annotation, piecewise, streamed

if TYPE_CHECKING:
    from .hosting import Host

__all__ = ["Broken", "Program", "failure", "load", "module"]

_OPTIMIZED = 0x1  # CO_OPTIMIZED: a function's code, not a class's
_ASYNC = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR
_TAIL = 16 * 1024  # of a script's stderr that its error shows


class Program:
    """What a plugin offers: functions by number, and its initialize and shutdown where it has them.

    A function takes the input as `bytes` and whether it is text, and returns what the plugin returned.
    """

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.functions: list[Callable[[Any, bool], Any]] = []
        self.initialize: Callable[..., Any] | None = None
        self.configure: Callable[[Any], Any] | None = None
        self.configured = False  # whether initialize takes the settings
        self.configures_first = False  # else configure comes after an initialize that takes none
        self.shutdown: Callable[[], Any] | None = None
        self.concurrent = False
        self.asks = False  # whether it may use the host, by `devkit_plugin`
        self.host: Host | None = None
        self.inputs: dict[str, int] = {}  # functions once more, as they take their input in pieces
        self.source: Callable[[], Incoming] | None = None  # the pieces of the call that runs

    @property
    def features(self) -> list[str]:
        """What it takes of settings and inputs, and what it may use of its host, in the protocol's words."""
        changing = self.configure or (self.asks and not self.configured)
        takes = {"config": self.configured or changing, "configure": changing}
        uses = ["host-call", "log", "event", "progress"] if self.asks else []
        pieces = ["input"] if self.inputs else []
        return [*(name for name, there in takes.items() if there), *uses, *pieces]

    def start(self, payload: bytes) -> Callable[[], Any] | None:
        """Return what an INITIALIZE frame runs."""
        if not payload:
            return self.initialize if not self.configured else self._given(self.initialize, {})
        import json

        config = json.loads(payload)["config"]
        if self.configured:
            return self._given(self.initialize, config)
        initialize, configure = self.initialize, self.configure

        def both() -> Any:
            if self.configures_first and configure:
                configure(config)
                return initialize() if initialize else None
            answer: Any = initialize() if initialize else None
            if not hasattr(answer, "__await__"):
                return configure(config) if configure else None

            async def later() -> None:
                await answer
                given: Any = configure(config) if configure else None
                if hasattr(given, "__await__"):
                    await given

            return later()

        return both

    def change(self, payload: bytes) -> Callable[[], Any] | None:
        """Return what a CONFIGURE frame runs."""
        import json

        return self._given(self.configure, json.loads(payload)["config"])

    @staticmethod
    def _given(function: Callable[..., Any] | None, config: Any) -> Callable[[], Any] | None:
        return (lambda: function(config)) if function else None

    def add(self, name: str, function: Callable[[bytes, bool], Any]) -> None:
        self.names[name] = len(self.functions)
        self.functions.append(function)

    def take_pieces(self, name: str) -> None:
        """Offer a function once more, for an input that follows its call piece by piece."""
        function = self.functions[self.names[name]]
        self.inputs[name] = len(self.functions)
        self.functions.append(lambda _, text: function(self.source and self.source(), text))


def load(path: str, names: list[str]) -> Program:
    """Load the entry point at `path`, which must offer `execute` and the functions named.

    A file that binds no `execute` but reads its command line is run as a script, a fresh one a call.
    """
    source = _contents(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    code = compile(source, path, "exec", dont_inherit=True)
    # a tree takes five times the memory of its code, so only what is rare is looked for in one
    if _defines_execute(code) or _binds_execute(tree := ast.parse(source, path)):
        program = module(path, code, names)
    elif _reads_command_line(tree):
        program = _script(path, code, tree, names)
    else:
        raise Broken(
            "entry-function-missing",
            f"{os.path.basename(path)} has no function `execute`",
            "define `def execute(input: str) -> str`, or answer `plugin.py execute INPUT`",
        )
    program.asks = b"devkit_plugin" in source or "devkit_plugin" in sys.modules
    return program


def module(path: str, code: CodeType, names: list[str]) -> Program:
    """Run a module and return its functions; raises Broken where one that is named is missing."""
    name = os.path.splitext(os.path.basename(path))[0]
    plugin = ModuleType(name)
    plugin.__file__ = path
    sys.modules[name] = plugin
    exec(code, plugin.__dict__)  # the plugin's own code, in a worker that is confined by now
    program = Program()
    functions = [getattr(plugin, f, None) for f in ("execute", *names)]
    for function, wanted in zip(functions, ("execute", *names), strict=True):
        if not callable(function):
            raise Broken(
                "entry-function-missing",
                f"{os.path.basename(path)} has no function `{wanted}`",
                f"define `def {wanted}(input)`; the manifest names it"
                if wanted != "execute"
                else "define `def execute(input: str) -> str`",
            )
        program.add(wanted, _texts(function) if wanted == "execute" else _values(function))
    wish = streamed(functions[0])
    program.initialize = _optional(plugin, "initialize")
    program.configure = _optional(plugin, "configure")
    program.configured = _takes_one(program.initialize)
    program.shutdown = _optional(plugin, "shutdown")
    every = [*functions, program.initialize, program.configure, program.shutdown]
    program.concurrent = any(_flags(f) & _ASYNC for f in every if f is not None)
    if wish is not None and functions[0] is not None:
        program.functions[0] = piecewise(functions[0], wish, _decoded)
        if program.concurrent == wish.by_loop:
            program.take_pieces("execute")
    return program


def _takes_one(function: Any) -> bool:
    """Say whether a function has a positional parameter, for the settings."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_argcount > (
        1 if getattr(function, "__self__", None) is not None else 0
    )


def _optional(module: ModuleType, name: str) -> Callable[..., Any] | None:
    found = getattr(module, name, None)
    return found if callable(found) else None


def _flags(function: Any) -> int:
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return getattr(code, "co_flags", 0)


def _texts(function: Any) -> Callable[[bytes, bool], Any]:
    """Give `execute` what its annotation asks for: `bytes`, or else text."""
    if annotation(function) in (bytes, bytearray, memoryview, "bytes", "bytearray", "memoryview"):
        return lambda data, text: function(data)

    def call(data: bytes, text: bool) -> Any:
        try:
            value = str(data, "utf-8")
        except UnicodeDecodeError as error:
            raise _no_text(error) from None
        return function(value)

    return call


def _decoded(data: bytes) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise _no_text(error) from None


def _no_text(error: UnicodeDecodeError) -> Broken:
    message = f"the input is not UTF-8 (byte {error.start})"
    return Broken("input-not-text", message, "annotate the parameter of execute as bytes to take any input")


def _values(function: Any) -> Callable[[bytes, bool], Any]:
    """Give a function of the manifest its JSON input as a value, and return its value as JSON."""
    import json

    def call(data: bytes, text: bool) -> Any:
        try:
            value = json.loads(data) if data else None
        except (ValueError, RecursionError) as error:
            raise Broken("input-not-json", f"the input is not JSON: {error}") from None
        answer = function(value)
        if hasattr(answer, "__await__"):

            async def later() -> str:
                return dumps(await answer)

            return later()
        return dumps(answer)

    def dumps(value: Any) -> str:
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise Broken("result-type", f"the result can't be written as JSON: {error}") from None

    return call


def _defines_execute(code: CodeType) -> bool:
    """Say whether a module has a function `execute` of its own, as nearly all plugins do."""
    return "execute" in code.co_names and any(
        type(each) is CodeType and each.co_name == "execute" and each.co_flags & _OPTIMIZED
        for each in code.co_consts
    )


def _binds_execute(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name="execute") | ast.AsyncFunctionDef(name="execute"):
                if node in tree.body or any(node in getattr(n, "body", ()) for n in tree.body):
                    return True
            case ast.Name(id="execute", ctx=ast.Store()):
                return True
            case ast.alias():
                if (node.asname or node.name) in ("execute", "*"):
                    return True
    return any(isinstance(n, ast.FunctionDef) and n.name == "__getattr__" for n in tree.body)


def _reads_command_line(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="argv") | ast.alias(name="argparse" | "click" | "optparse" | "getopt"):
                return True
    return False


def _script(path: str, code: CodeType, tree: ast.Module, names: list[str]) -> Program:
    if names:
        raise Broken(
            "entry-function-missing",
            f"{os.path.basename(path)} answers on its command line only, and the manifest names functions",
            "define them as functions of the file",
        )
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    program = Program()

    def execute(data: bytes, text: bool) -> str:
        try:
            return _run(path, code, "execute", str(data, "utf-8"))
        except UnicodeDecodeError as error:
            raise Broken("input-not-text", f"the input is not UTF-8 (byte {error.start})") from None

    program.add("execute", execute)
    if "initialize" in words:
        program.initialize = lambda: _run(path, code, "initialize")
    if "shutdown" in words:
        program.shutdown = lambda: _run(path, code, "shutdown")
    return program


def _run(path: str, code: CodeType, *arguments: str) -> str:
    """Run the file as a script with these arguments and return what it printed, less one line break."""
    module = ModuleType("__main__")
    module.__file__ = path
    keep = {name: sys.modules.get(name) for name in ("__main__",)}
    argv, out, err = sys.argv, os.dup(1), os.dup(2)
    captured = [os.open(os.environ.get("TMPDIR", "/tmp"), os.O_TMPFILE | os.O_RDWR, 0o600) for _ in range(2)]  # noqa: S108
    status: Any = 0
    try:
        for target, fd in zip((1, 2), captured, strict=True):
            os.dup2(fd, target)
        sys.argv = [path, *arguments]
        sys.modules["__main__"] = module
        try:
            exec(code, module.__dict__)
        except SystemExit as stop:
            status = stop.code
            if isinstance(status, str):
                sys.stderr.write(status + "\n")
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    finally:
        sys.argv = argv
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        for name, old in keep.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old
        printed, complained = (_contents(fd) for fd in captured)
    if complained:
        os.write(2, complained[-_TAIL:])
    if status not in (None, 0):
        number = status if isinstance(status, int) else 1
        raise Broken(
            "plugin-raised",
            f"`{os.path.basename(path)} {arguments[0]}` exited with {number}",
            traceback=complained[-_TAIL:].decode("utf-8", "replace"),
        )
    text = printed.decode("utf-8", "replace")
    return text[:-1] if text.endswith("\n") else text


def _contents(fd: int) -> bytes:
    """Return what a file holds from its start, and close it; without the objects that `open` makes."""
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        pieces = []
        while piece := os.read(fd, 1 << 20):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)
