"""What single parts of a call cost: the same call with them and without.

The call without is built from the same source, less the statements that name the part. Blocks of both take
turns in one process, and the figure is the median of the differences between neighbours, in processor time,
which others on the machine hardly change.
"""

from __future__ import annotations

import ast
import inspect
import statistics
import textwrap
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

from hosts import Asyncio
from seat import Figures, Seat, one_at_a_time_in_loop, text_of

from devkit_core.running import handle
from devkit_core.workers import pending
from devkit_core.workers.deadlines import Deadlines


class _Without(ast.NodeTransformer):
    """Drops the statements that name something; of an `if`, only what its condition names counts."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self.dropped = 0

    def _mentions(self, node: ast.AST) -> bool:
        return any(
            (isinstance(each, ast.Name) and each.id in self._names)
            or (isinstance(each, ast.Attribute) and each.attr in self._names)
            for each in ast.walk(node)
        )

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.stmt):
            parts: list[ast.AST] = [node.test] if isinstance(node, ast.If) else [node]
            compound = isinstance(node, (ast.Try, ast.With, ast.For, ast.While, ast.AsyncFunctionDef))
            if not compound and not isinstance(node, ast.FunctionDef) and any(map(self._mentions, parts)):
                self.dropped += 1
                return ast.Pass()
        return self.generic_visit(node)


def without(function: Callable[..., Any], *names: str) -> Any:
    """Return a function compiled from the same source, less the statements that name one of these."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    cut = _Without(frozenset(names))
    tree = ast.fix_missing_locations(cut.visit(tree))
    if not cut.dropped:
        raise AssertionError(f"{function.__qualname__} names none of {', '.join(names)}")
    assert isinstance(function, FunctionType)
    space = dict(function.__globals__)
    exec(compile(tree, inspect.getfile(function), "exec"), space)
    return space[function.__name__]


def _plain(kind: type[pending.PendingCall]) -> type[pending.PendingCall]:
    """Return a kind of call that has no start, no deadline and no statistics."""
    parts: dict[str, Any] = {"began": 0.0, "deadline": float("inf"), "tally": None}
    for name in ("__init__", "set_result", "set_text"):
        method = vars(kind).get(name)
        if method is None or "super" in method.__code__.co_names:
            continue
        if books := {"began", "deadline", "tally"} & set(method.__code__.co_names):
            parts[name] = without(method, "fresh", *books)
    return type(kind.__name__, (kind,), parts)


class Parts(Asyncio):
    """DevKit in asyncio, with parts of its calls left out in turns."""

    async def bookkeeping(self, pairs: int, calls: int) -> Figures:
        """Leave out a call's start time, its deadline and its statistics, and the clock for deadlines."""
        whole = {
            name: kind
            for name, kind in vars(handle).items()
            if isinstance(kind, type) and issubclass(kind, pending.PendingCall)
        }
        plain = {name: _plain(kind) for name, kind in whole.items()}
        watch, unwatched = Deadlines.watch, without(Deadlines.watch, "_watched", "_timer")

        def choose(with_it: bool) -> None:
            for name, kind in (whole if with_it else plain).items():
                setattr(handle, name, kind)
            Deadlines.watch = watch if with_it else unwatched  # type: ignore[method-assign]

        async def counted() -> int:
            before = self._manager.stats("echo").calls
            await self._handle.execute("x")
            return self._manager.stats("echo").calls - before

        choose(False)
        if await counted():
            raise AssertionError("the call without statistics was counted")
        choose(True)
        return await self._difference(choose, pairs, calls)

    async def hooks(self, pairs: int, calls: int) -> Figures:
        """Leave out the question whether somebody implements `devkit_call`."""
        execute = handle.PluginHandle.execute
        direct = without(execute, "_wrapped")

        def choose(with_it: bool) -> None:
            handle.PluginHandle.execute = execute if with_it else direct  # type: ignore[method-assign]

        return await self._difference(choose, pairs, calls)

    async def _difference(self, choose: Callable[[bool], None], pairs: int, calls: int) -> Figures:
        """Return the median of the differences between neighbouring blocks, in processor µs a call."""
        found, text = [], text_of(100)
        await one_at_a_time_in_loop(self._handle.execute, 100, calls)
        try:
            for pair in range(pairs):
                middle = {}
                for with_it in (True, False) if pair % 2 else (False, True):
                    choose(with_it)
                    begin = time.process_time_ns()
                    for _ in range(calls):
                        await self._handle.execute(text)
                    middle[with_it] = (time.process_time_ns() - begin) / calls / 1e3
                found.append(middle[True] - middle[False])
        finally:
            choose(True)
        return {"µs": statistics.median(found)}


class Pluggy(Seat):
    """A call of a pluggy hook, which is what other hosts of Python plugins make of a call."""

    def __init__(self, implementations: str) -> None:
        import pluggy

        self.version = pluggy.__version__
        manager = pluggy.PluginManager("benchmark")
        specification, implementation = pluggy.HookspecMarker("benchmark"), pluggy.HookimplMarker("benchmark")

        class Specification:
            @specification
            def execute(self, text: str) -> None:
                """Echo."""

        class Plugin:
            @implementation
            def execute(self, text: str) -> str:
                return text

        manager.add_hookspecs(Specification)
        for _ in range(int(implementations)):
            manager.register(Plugin())
        self._hook = manager.hook.execute

    def hooks(self, pairs: int, calls: int) -> Figures:
        """Time one dispatch."""
        text, samples = text_of(100), []
        for _ in range(pairs):
            begin = time.perf_counter_ns()
            for _ in range(calls):
                self._hook(text=text)
            samples.append((time.perf_counter_ns() - begin) / calls / 1e3)
        return {"µs": statistics.median(samples)}
