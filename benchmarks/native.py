"""Measures native plugins: a bare C call by cffi, text in and out, the same plugin trusted, and in a worker.

`python benchmarks/native.py`; needs gcc. Figures are microseconds a call, the least and the median of the
rounds. Nothing here judges a time.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devkit_core.api import PendingCall
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager
from devkit_loader_native.interface import ffi

ROUNDS, CALLS = 9, 10_000
TEXT = "x" * 100
SOURCE = """
#include <stdlib.h>
#include <string.h>
typedef struct {
    const char *(*id)(void), *(*name)(void), *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *);
    int (*shutdown)(void);
} PluginInterface;
static const char *id(void) { return "bench"; }
static const char *version(void) { return "1.0.0"; }
static int nothing(void) { return 0; }
static char *execute(const char *input) { return strdup(input); }
void free_string(char *text) { free(text); }
PluginInterface *create_plugin(void)
{
    static PluginInterface table = { id, id, version, nothing, execute, nothing };
    return &table;
}
"""
MANIFEST = """[metadata]
id = "bench"
name = "Bench"
version = "1.0.0"
description = "made by a benchmark"
author = "a benchmark"
entry_point = "plugin.so"
"""


Rounds = dict[str, list[float]]


def inline(call: Callable[[], object], calls: int) -> float:
    """Return the µs of a call that doesn't wait."""
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls * 1e6


async def measure(root: Path, folder: Path, quick: bool) -> Rounds:
    """Return the rounds of each figure, taken in turns."""
    found: Rounds = {}
    rounds, calls = (1, 100) if quick else (ROUNDS, CALLS)
    places = Places.under(root / "home", project=root)
    trusting = PluginSystemConfig(trusted_plugins=(str(folder),))
    async with (
        PluginManager(trusting, places=places, control=False) as near,
        PluginManager(PluginSystemConfig(), places=places, control=False) as far,
    ):
        trusted, worker = await near.load("bench"), await far.load("bench")
        blueprint: Any = trusted.supervisor.blueprint
        scratch = root / "scratch"
        scratch.mkdir()
        instance = await blueprint.loader.start(blueprint.request(scratch, lambda why, calls: None))
        library, data = instance._library, TEXT.encode()
        execute, free = library._table.execute, library._free
        loop = asyncio.get_running_loop()

        def bare() -> str:
            answer = execute(TEXT.encode())
            text = str(ffi.string(answer), "utf-8")
            free(answer)
            return text

        def submit() -> None:
            instance.submit(PendingCall("bench", 0, data, True, 300.0, loop))

        for _ in range(rounds):
            found.setdefault("bare C call through cffi", []).append(inline(bare, calls))
            found.setdefault("trusted: make a call and submit it", []).append(inline(submit, calls))
            for name, handle in (("trusted", trusted), ("worker", worker)):
                began = time.perf_counter()
                for _ in range(calls // 5):
                    await handle.execute(TEXT)
                took = (time.perf_counter() - began) / (calls // 5) * 1e6
                found.setdefault(f"{name}: await handle.execute", []).append(took)
    return found


def rows(quick: bool = False) -> Rounds:
    """Build the plugin, and return µs a call of each round, by what was called; needs gcc."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        folder = root / "plugins" / "bench"
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST)
        (root / "plugin.c").write_text(SOURCE)
        library = folder / "plugin.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, root / "plugin.c"], check=True)
        return asyncio.run(measure(root, folder, quick))


def main() -> None:
    """Measure and print."""
    print(f"{'µs a call':40} {'least':>8} {'median':>8}")
    for name, rounds in rows().items():
        print(f"{name:40} {min(rounds):8.2f} {statistics.median(rounds):8.2f}")


if __name__ == "__main__":
    main()
