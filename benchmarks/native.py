"""Measures native plugins: a bare C call through cffi, the same plugin trusted, and in a worker.

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

from devkit_core.api import PendingCall
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager

ROUNDS, CALLS = 9, 10_000
TEXT = "x" * 100
SOURCE = """
typedef struct {
    const char *(*id)(void), *(*name)(void), *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *);
    int (*shutdown)(void);
} PluginInterface;
static const char *id(void) { return "bench"; }
static const char *version(void) { return "1.0.0"; }
static int nothing(void) { return 0; }
static char *execute(const char *input) { return (char *)"a hundred letters"; }
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


def show(name: str, rounds: list[float]) -> None:
    print(f"{name:40} {min(rounds):8.2f} {statistics.median(rounds):8.2f}")


def inline(call: Callable[[], object]) -> list[float]:
    """Time a call that doesn't wait."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - began) / CALLS * 1e6)
    return rounds


async def measure(root: Path, folder: Path, *, trusted: bool) -> None:
    config = PluginSystemConfig(trusted_plugins=(str(folder),) if trusted else ())
    places = Places.under(root / "home", project=root)
    async with PluginManager(config, places=places, control=False) as manager:
        handle = await manager.load("bench")
        if trusted:
            instance = handle._supervisor._instance
            execute, data = instance._library._table.execute, TEXT.encode()
            loop = asyncio.get_running_loop()
            show("bare C call through cffi", inline(lambda: execute(data)))
            show(
                "trusted: make a call and submit it",
                inline(lambda: instance.submit(PendingCall("bench", 0, data, True, 300.0, loop))),
            )
        rounds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(CALLS // 5):
                await handle.execute(TEXT)
            rounds.append((time.perf_counter() - began) / (CALLS // 5) * 1e6)
        show(f"{'trusted' if trusted else 'worker'}: await handle.execute", rounds)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = Path(name)
        folder = root / "plugins" / "bench"
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST)
        (root / "plugin.c").write_text(SOURCE)
        library = folder / "plugin.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, root / "plugin.c"], check=True)
        print(f"{'µs a call':40} {'least':>8} {'median':>8}")
        for trusted in (True, False):
            asyncio.run(measure(root, folder, trusted=trusted))


if __name__ == "__main__":
    main()
