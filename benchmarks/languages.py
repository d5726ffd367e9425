"""Plugins in WebAssembly, in native code and in JavaScript."""

from __future__ import annotations

import importlib.metadata
import shutil
import statistics
from typing import Any

from calls import OURS
from contest import Contestant, Family, Row, Task, names
from seat import Figures, Seat

ONE, MANY = "100 B one at a time", "100 B 64 in flight"
_COUNT, _QUICK = {"size": 100, "calls": 1500}, {"calls": 60}
_FLIGHT_COUNT, _FLIGHT_QUICK = {"size": 100, "calls": 9600}, {"calls": 640}


class Wasm(Seat):
    """DevKit, Extism and the bare call in one process, as that is how they are used."""

    def __init__(self) -> None:
        import bench_wasm

        self._measure: Any = bench_wasm.measure
        self.version = f"wasmtime {importlib.metadata.version('wasmtime')}"
        try:
            self.version += f", Extism {importlib.metadata.version('extism')}"
        except importlib.metadata.PackageNotFoundError:
            self.version += ", without Extism"

    async def calls(self, quick: int) -> Figures:
        """Return the figures of the module's own rounds."""
        figures: Figures = await self._measure(bool(quick))
        return figures


class InProcess(Seat):
    """A trusted native plugin beside the bare C call, in one process."""

    def __init__(self) -> None:
        import native

        if shutil.which("gcc") is None:
            raise ImportError("there is no gcc", name="gcc")
        self._rows = native.rows
        self.version = f"cffi {importlib.metadata.version('cffi')}"

    def calls(self, quick: int) -> Figures:
        """Return the medians of the module's own rounds."""
        return {name: statistics.median(rounds) for name, rounds in self._rows(bool(quick)).items()}


WASM = Contestant("DevKit, wasmtime and Extism", ("languages", "Wasm"))
EXTISM, LOAD = "Extism, 100 B", "load to first answer, 1 MiB module, cached"


def _row(what: str, ours: str, theirs: str, **more: Any) -> Row:
    return Row(
        what, WASM.name, ours, (WASM.name,), peer_metric=theirs, beside=theirs.partition(",")[0], **more
    )


WASM_FAMILY = Family(
    "wasm",
    "WebAssembly in the host's process",
    (WASM,),
    (Task("", "calls", (WASM.name,), {"quick": 0}, {"quick": 1}, rounds=1),),
    (
        _row("100 B by `PluginHandle.execute`, µs", "100 B, PluginHandle.execute", EXTISM, bar=0.2),
        _row("100 B by an instance, µs", "100 B, an instance's call", EXTISM, bar=0.2),
        _row(
            "100 B by an instance, µs over the bare C call",
            "100 B, an instance's call",
            "bare C call",
            bar=3,
            measure="difference",
        ),
        _row("1 MiB module, cached, to first answer, µs", LOAD, f"Extism, {LOAD}", bar=0.3),
        _row("the same, by the loader alone, µs", f"{LOAD}, loader alone", f"Extism, {LOAD}"),
        _row("an instance, µs", "a fresh instance", "Extism, a fresh instance", bar=0.3),
    ),
    about="The bare C call takes the text's place and length, but has no input and answer.",
)

NATIVE = Contestant("DevKit, native worker", ("hosts", "Asyncio", "native"))
TRUSTED = Contestant("DevKit, native, trusted", ("languages", "InProcess"))

NATIVE_FAMILY = Family(
    "native",
    "Native plugins",
    (NATIVE, OURS, TRUSTED),
    (
        Task(ONE, "sequential", names((NATIVE, OURS)), _COUNT, _QUICK),
        Task(MANY, "flight", names((NATIVE, OURS)), _FLIGHT_COUNT, _FLIGHT_QUICK),
        Task("", "calls", (TRUSTED.name,), {"quick": 0}, {"quick": 1}, rounds=1),
    ),
    (
        Row("native in a worker, 100 B one at a time", NATIVE.name, f"{ONE}, µs", (OURS.name,), 1.1),
        Row("native in a worker, 100 B 64 in flight", NATIVE.name, f"{MANY}, calls/s", (OURS.name,)),
        Row(
            "trusted, in process: µs over the bare C call",
            TRUSTED.name,
            "trusted: await handle.execute",
            (TRUSTED.name,),
            2,
            measure="difference",
            peer_metric="bare C call through cffi",
            beside="bare C call, cffi in ABI mode",
        ),
    ),
)

NODE_WORKER = Contestant("DevKit, Node.js worker", ("hosts", "Asyncio", "node"))
NODE_FLOOR = Contestant("floor: asyncio to Node.js", ("floors", "Node"))
NODE_ITSELF = Contestant("node -e 0", ("programs", "Node"))
BOTH = names((NODE_WORKER, NODE_FLOOR))
FIRST = "load to first answer"

NODE_FAMILY = Family(
    "node",
    "JavaScript plugins",
    (NODE_WORKER, NODE_FLOOR, NODE_ITSELF),
    (
        Task(ONE, "sequential", BOTH, _COUNT, _QUICK, rounds=9),
        Task(f"{ONE}, two cores", "sequential", BOTH, _COUNT, _QUICK, rounds=9, cores="two"),
        Task(f"{ONE}, one core", "sequential", BOTH, _COUNT, _QUICK, rounds=9, cores="one"),
        Task(MANY, "flight", BOTH, _FLIGHT_COUNT, _FLIGHT_QUICK, rounds=9),
        Task(f"{MANY}, two cores", "flight", BOTH, _FLIGHT_COUNT, _FLIGHT_QUICK, rounds=9, cores="two"),
        Task(FIRST, "first_answer", (NODE_WORKER.name,), {"starts": 5}, {"starts": 1}),
        Task("start to end", "run", (NODE_ITSELF.name,), {"times": 5}, {"times": 1}),
    ),
    (
        *(
            Row(f"JavaScript, 100 B, one at a time{where}", NODE_WORKER.name, f"{ONE}{where}, µs",
                (NODE_FLOOR.name,), 1.3)
            for where in ("", ", two cores", ", one core")
        ),
        *(
            Row(f"JavaScript, 100 B, 64 in flight{where}", NODE_WORKER.name, f"{MANY}{where}, calls/s",
                (NODE_FLOOR.name,), 0.8, "≥")
            for where in ("", ", two cores")
        ),
        Row("JavaScript, load to first answer, confined", NODE_WORKER.name, f"{FIRST}, ms",
            (NODE_ITSELF.name,), 1.3, peer_metric="start to end, ms"),
    ),
    about="The floor's event loop lives on between calls, as a plugin's does. On an idle machine "
    "Node.js comes to its first line after 17 of the 21 ms that `node -e 0` takes. Before it a "
    "worker took 5 ms: the plugin is read, a worker forked and confined, and Node.js executed. "
    "After it 6 to 7: `net` and a socket, the worker's one file, the plugin's module, and the "
    "handshake. A snapshot of V8's (`--build-snapshot`) was tried, and saved 1.4 ms in all; a "
    "cache of compiled code saved 1.",
)  # fmt: skip

FAMILIES = (WASM_FAMILY, NATIVE_FAMILY, NODE_FAMILY)
