"""Measures WebAssembly calls and loads beside Extism and the bare C call: `python benchmarks/bench_wasm.py`.

Everything runs in one process, in turns. `--json` prints data, `--quick` only shows that it works. Extism is
skipped where it isn't installed (`pip install extism`). Nothing here judges a time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager
from devkit_core.workers.pending import PendingCall
from devkit_loader_wasm.crossing import self_check
from devkit_loader_wasm.stopping import Halt

MANIFEST = """[metadata]
id = "{id}"
name = "Echo"
version = "1.0.0"
description = "returns its input"
author = "benchmarks"
entry_point = "plugin.wasm"
"""
ECHO = """
  (memory (export "memory") 64)
  (func (export "devkit_alloc") (param i32) (result i32) (i32.const 65536))
  (func (export "devkit_execute") (param $at i32) (param $length i32) (result i64)
    (memory.copy (i32.const 2097152) (local.get $at) (local.get $length))
    (i64.or (i64.shl (i64.const 2097152) (i64.const 32)) (i64.extend_i32_u (local.get $length))))
"""
#: an echo for Extism, as its plugin kits load and store
EXTISM = """
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 64)
  (func (export "echo") (result i32) (local $n i64) (local $i i64) (local $out i64)
    (local.set $n (call $input_length))
    (block $done (loop $next
      (br_if $done (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
      (i64.store (i32.wrap_i64 (local.get $i)) (call $input_load_u64 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 8))) (br $next)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (i32.store8 (i32.wrap_i64 (local.get $i)) (call $input_load_u8 (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 1))) (br $next)))
    (local.set $out (call $alloc (local.get $n)))
    (local.set $i (i64.const 0))
    (block $done (loop $next
      (br_if $done (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
      (call $store_u64 (i64.add (local.get $out) (local.get $i)) (i64.load (i32.wrap_i64 (local.get $i))))
      (local.set $i (i64.add (local.get $i) (i64.const 8))) (br $next)))
    (block $done (loop $next
      (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
      (call $store_u8 (i64.add (local.get $out) (local.get $i)) (i32.load8_u (i32.wrap_i64 (local.get $i))))
      (local.set $i (i64.add (local.get $i) (i64.const 1))) (br $next)))
    (call $output_set (local.get $out) (local.get $n)) (i32.const 0))
"""


def padding(count: int) -> str:
    """Return functions with loops, branches and memory, which give a module a real plugin's size."""
    out = []
    for i in range(count):
        steps = "".join(
            f"""
      (local.set $c (i32.add (i32.mul (local.get $c) (i32.const {i * 31 + k * 7 + 3}))
        (i32.load offset={k * 4} (i32.and (local.get $b) (i32.const 65532)))))
      (if (i32.lt_s (local.get $c) (local.get $d))
        (then (i32.store offset={k * 8} (i32.and (local.get $c) (i32.const 65528)) (local.get $b)))
        (else (local.set $d (i32.xor (i32.rotl (local.get $d) (i32.const {k % 31 + 1})) (local.get $c)))))"""
            for k in range(8)
        )
        out.append(f"""
  (func $f{i} (param $b i32) (param $c i32) (param $d i32) (result i32)
    (block $out (loop $again {steps}
      (local.set $b (i32.sub (local.get $b) (i32.const 1)))
      (br_if $again (i32.gt_s (local.get $b) (i32.const 0)))))
    (local.get $c))""")
    last = f"(call $f{count - 1} (local.get 0) (i32.const 1) (i32.const 2))"
    return "".join(out) + f'\n  (func (export "pad") (param i32) (result i32) {last})'


class Bare:
    """The C call alone: `wasmtime_func_call_unchecked` by cffi, without input, answer or deadline."""

    def __init__(self, module: bytes) -> None:
        import ctypes

        from cffi import FFI
        from wasmtime import _ffi

        config = wasmtime.Config()
        config.epoch_interruption = True
        store = wasmtime.Store(wasmtime.Engine(config))
        store.set_epoch_deadline(1 << 40)
        exports = wasmtime.Instance(store, wasmtime.Module(store.engine, module), []).exports(store)
        self._keep = store, exports
        ffi = FFI()
        ffi.cdef(
            "typedef union { int32_t i32; int64_t i64; unsigned char v128[16]; } raw;"
            "void *wasmtime_func_call_unchecked(void *, const void *, raw *, size_t, void **);"
        )
        self._call = ffi.dlopen(_ffi.dll._name).wasmtime_func_call_unchecked
        self._context = ffi.cast("void *", ctypes.cast(store._context(), ctypes.c_void_p).value)
        execute = exports["devkit_execute"]
        self._execute = ffi.cast("void *", ctypes.addressof(execute._func))
        self._raws, self._trap, self._null = ffi.new("raw[2]"), ffi.new("void **"), ffi.NULL
        self._first, self._second = self._raws[0], self._raws[1]

    def __call__(self) -> int:
        self._first.i32, self._second.i32 = 65536, 100
        if self._call(self._context, self._execute, self._raws, 2, self._trap) != self._null:
            raise RuntimeError
        return self._first.i64


def timed(call: Callable[[], object], calls: int) -> float:
    """Return µs a call."""
    gc.collect()
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


async def measure(quick: bool) -> dict[str, float]:
    """Return the median of each figure's rounds, in µs."""
    rounds, calls = (2, 50) if quick else (11, 3000)
    small = bytes(wasmtime.wat2wasm(f"(module {ECHO})"))
    pads = padding(20 if quick else 2210)  # about 1 MiB
    large = bytes(wasmtime.wat2wasm(f"(module {ECHO} {pads})"))
    figures: dict[str, list[float]] = {}
    text, data = "x" * 100, b"x" * 100
    bare = Bare(small)
    peer = extism_of(f"(module {EXTISM})", f"(module {EXTISM} {pads})")
    with tempfile.TemporaryDirectory() as home:
        root = Path(home)
        for name, module in (("small", small), ("large", large)):
            folder = root / "project" / "plugins" / name
            folder.mkdir(parents=True)
            (folder / "plugin.toml").write_text(MANIFEST.format(id=name))
            (folder / "plugin.wasm").write_bytes(module)
        places = Places.under(root / "home", project=root / "project")
        config = PluginSystemConfig(initialize_timeout=60, shutdown_timeout=5)
        async with PluginManager(config, places=places, control=False) as manager:
            if not quick:
                await asyncio.sleep(2.5)  # a file that has just been written is read at each load
            handle = await manager.load("small")
            blueprint: Any = (await manager.load("large")).supervisor.blueprint
            for _ in range(200):
                assert await handle.execute(text) == text
            instance: Any = await started(handle.supervisor.blueprint, root / "own")
            program, ticker = instance._program, instance._ticker
            guest = instance._guest

            def raw() -> None:
                ticker.touch()
                answer = guest.attempt(0, data)
                if not isinstance(answer, bytes):  # the machine was busy: its slice of time was over
                    for _ in answer:
                        pass

            def fresh() -> None:
                program.guest(Halt()).close()

            for _ in range(rounds):
                figures.setdefault("bare C call", []).append(timed(bare, calls))
                figures.setdefault("100 B, an instance's call", []).append(timed(raw, calls))
                begin = time.perf_counter()
                for _ in range(calls):
                    await handle.execute(text)
                figures.setdefault("100 B, PluginHandle.execute", []).append(
                    (time.perf_counter() - begin) / calls * 1e6
                )
                figures.setdefault("a fresh instance", []).append(timed(fresh, max(20, calls // 20)))
                figures.setdefault("load to first answer, 1 MiB module, cached, loader alone", []).append(
                    await first_answer(blueprint, root)
                )
                await manager.unload("large")
                gc.collect()
                begin = time.perf_counter()
                loaded = await manager.load("large")
                assert await loaded.execute(text) == text
                figures.setdefault("load to first answer, 1 MiB module, cached", []).append(
                    (time.perf_counter() - begin) * 1e6
                )
                if peer is not None:
                    figures.setdefault("Extism, 100 B", []).append(timed(peer["call"], calls // 3))
                    figures.setdefault("Extism, a fresh instance", []).append(timed(peer["fresh"], 20))
                    figures.setdefault("Extism, load to first answer, 1 MiB module, cached", []).append(
                        timed(peer["load"], 1)
                    )
            await instance.close()
    return {name: statistics.median(found) for name, found in figures.items()}


async def started(blueprint: Any, scratch: Path) -> Any:
    """Return an instance of its own, past the manager."""
    instance = await blueprint.loader.start(blueprint.request(scratch, lambda why, calls: None))
    await instance.initialize(60)
    return instance


async def first_answer(blueprint: Any, scratch: Path) -> float:
    """Return the µs from the loader's start to an answer."""
    loop = asyncio.get_running_loop()
    gc.collect()
    begin = time.perf_counter()
    instance = await started(blueprint, scratch)
    call = PendingCall("large", 0, b"x" * 100, True, 60, loop)
    instance.submit(call)
    assert (await call).data == b"x" * 100
    took = (time.perf_counter() - begin) * 1e6
    await instance.shutdown(5)
    await instance.close()
    return took


def extism_of(small: str, large: str) -> dict[str, Callable[[], object]] | None:
    """Return Extism's own call, instance and load, its disk cache warm; None where it isn't installed."""
    try:
        import extism
        from extism.extism import CompiledPlugin
    except ImportError:
        return None
    little, much = bytes(wasmtime.wat2wasm(small)), bytes(wasmtime.wat2wasm(large))
    compiled = CompiledPlugin(little, functions=[])
    plugin = extism.Plugin(little, functions=[])
    text = "x" * 100
    assert plugin.call("echo", text) == text.encode()
    extism.Plugin(much, functions=[])
    return {
        "call": lambda: plugin.call("echo", text),
        "fresh": lambda: extism.Plugin(compiled, functions=[]),
        "load": lambda: extism.Plugin(much, functions=[]).call("echo", text),
    }


def ratios(found: dict[str, float]) -> dict[str, float]:
    """Return what the bars are about."""
    own = {
        "an instance's call over the bare C call, µs": found["100 B, an instance's call"]
        - found["bare C call"]
    }
    if "Extism, 100 B" not in found:
        return own
    return own | {
        "Extism / an instance's call": found["Extism, 100 B"] / found["100 B, an instance's call"],
        "Extism / PluginHandle.execute": found["Extism, 100 B"] / found["100 B, PluginHandle.execute"],
        "a fresh instance / Extism's": found["a fresh instance"] / found["Extism, a fresh instance"],
        "cached load, loader alone / Extism's": found[
            "load to first answer, 1 MiB module, cached, loader alone"
        ]
        / found["Extism, load to first answer, 1 MiB module, cached"],
        "cached load by the manager / Extism's": found["load to first answer, 1 MiB module, cached"]
        / found["Extism, load to first answer, 1 MiB module, cached"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print data")
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    options = parser.parse_args()
    if (reason := self_check()) is not None:
        print(f"note: the C interface isn't used here: {reason}", file=sys.stderr)
    found = asyncio.run(measure(options.quick))
    if options.json:
        print(json.dumps({"schema": "benchmark-wasm/1", "µs": found, "ratios": ratios(found)}))
        return
    for name, value in found.items():
        print(f"{name:<55} {value:>10.2f} µs")
    if "Extism, 100 B" not in found:
        print("Extism: skipped, it is not installed (pip install extism)")
    for name, value in ratios(found).items():
        print(f"{name:<55} {value:>10.2f}")


if __name__ == "__main__":
    main()
