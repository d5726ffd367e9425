"""Measures DevKit beside its peers in one run: `python benchmarks/run.py [--only NAME] [--json] [--quick]`.

Rounds alternate, so that a busy moment of the machine meets all contestants; the figure of each is the
median of its rounds' medians. A peer that can't be had is listed as skipped. Nothing here judges a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

PLUGIN = "def execute(text: str) -> str:\n    return text\n"
MANIFEST = """[metadata]
id = "echo"
name = "Echo"
version = "1.0.0"
description = "returns its input"
author = "benchmarks"
entry_point = "plugin.py"
"""

Figures = dict[str, list[float]]
SMALL = "x" * 100


async def sequential(
    execute: Callable[[str], Awaitable[object]], text: str, calls: int
) -> tuple[float, float]:
    """Return median and p99 of one call after the other, in µs."""
    samples = []
    clock = time.perf_counter_ns
    for _ in range(calls):
        begin = clock()
        await execute(text)
        samples.append(clock() - begin)
    samples.sort()
    return samples[len(samples) // 2] / 1e3, samples[len(samples) * 99 // 100] / 1e3


async def in_flight(
    execute: Callable[[str], Awaitable[object]], text: str, calls: int, window: int = 64
) -> float:
    """Return calls a second with so many in flight."""

    async def caller() -> None:
        for _ in range(calls // window):
            await execute(text)

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(window)))
    return calls // window * window / (time.perf_counter() - begin)


async def measure(
    execute: Callable[[str], Awaitable[object]], quick: bool, figures: Figures, large: bool
) -> None:
    """Add one round of figures."""
    calls = 300 if quick else 3000
    await sequential(execute, SMALL, 100)
    middle, high = await sequential(execute, SMALL, calls)
    figures.setdefault("100 B, one at a time, µs", []).append(middle)
    figures.setdefault("100 B, one at a time, p99 µs", []).append(high)
    rate = await in_flight(execute, SMALL, 64 * (5 if quick else 300))
    figures.setdefault("100 B, 64 in flight, calls/s", []).append(rate)
    if large:
        middle, _ = await sequential(execute, "x" * 65536, calls // 10)
        figures.setdefault("64 KiB, one at a time, µs", []).append(middle)
        middle, _ = await sequential(execute, "x" * (1 << 20), max(10, calls // 50))
        figures.setdefault("1 MiB, one at a time, µs", []).append(middle)


def project(root: Path, plugins: int = 1) -> None:
    """Write a project with so many echo plugins."""
    for number in range(plugins):
        name = "echo" if not number else f"echo-{number}"
        folder = root / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.replace('"echo"', f'"{name}"'))
        (folder / "plugin.py").write_text(PLUGIN)


async def devkit_rounds(rounds: int, quick: bool) -> tuple[Figures, Figures]:
    """Measure DevKit and the floor in turns; returns both."""
    from floor import Floor

    from devkit_core import PluginManager, PluginSystemConfig
    from devkit_core.config.places import Places

    ours: Figures = {}
    bare: Figures = {}
    with tempfile.TemporaryDirectory(prefix="devkit-bench-") as folder:
        root = Path(folder)
        project(root)
        places = Places.under(root / "home", project=root)
        async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:
            handle = await manager.load("echo")
            floor = await Floor.start()
            for _ in range(rounds):
                await measure(floor.execute, quick, bare, large=False)
                await measure(handle.execute, quick, ours, large=True)
            await floor.close()
            for _ in range(3 if quick else 15):
                await manager.unload("echo")
                begin = time.perf_counter()
                handle = await manager.load("echo")
                await handle.execute(SMALL)
                ours.setdefault("first answer, ms", []).append((time.perf_counter() - begin) * 1e3)
    return ours, bare


def goplugin(rounds: int, quick: bool) -> dict[str, float] | str:
    """Build go-plugin's echo and measure it; or say why not."""
    if shutil.which("go") is None:
        return "there is no Go here"
    work = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "devkit-benchmarks" / "goplugin"
    source = HERE / "peers" / "goplugin"
    binary = work / "goplugin"
    if not binary.exists() or binary.stat().st_mtime < (source / "main.go").stat().st_mtime:
        work.mkdir(parents=True, exist_ok=True)
        for name in ("main.go", "go.mod"):
            shutil.copy(source / name, work)
        for command in (["go", "mod", "tidy"], ["go", "build", "-o", str(binary), "."]):
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"`{' '.join(command[:3])}` failed: {done.stderr.strip().splitlines()[-1:]}"
    found = [json.loads(subprocess.run([str(binary), "host"], capture_output=True, check=True).stdout)]
    for _ in range(0 if quick else rounds - 1):
        found.append(
            json.loads(subprocess.run([str(binary), "host"], capture_output=True, check=True).stdout)
        )
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def listing(quick: bool) -> dict[str, float]:
    """Time `devkit plugin list` over 50 plugins, cache warm, beside an import of click and pluggy."""
    with tempfile.TemporaryDirectory(prefix="devkit-bench-") as folder:
        root = Path(folder)
        project(root, 50)
        environment = {**os.environ, "DEVKIT_HOME": str(root / "home")}
        devkit = [str(Path(sys.executable).with_name("devkit")), "-C", str(root), "plugin", "list"]
        contestants = {
            "devkit plugin list, 50 plugins, ms": devkit,
            "python -c 'import click, pluggy', ms": [sys.executable, "-c", "import click, pluggy"],
        }
        samples: Figures = {name: [] for name in contestants}
        for _ in range(4 if quick else 21):
            for name, command in contestants.items():
                begin = time.perf_counter()
                subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
                samples[name].append((time.perf_counter() - begin) * 1e3)
    return {name: statistics.median(each[1:]) for name, each in samples.items()}


def page(results: dict[str, object]) -> str:
    """Return the figures as a page: contestants side by side, and DevKit's ratio to each."""
    ours = results.get("DevKit, Python worker, confined")
    rivals = {name: each for name, each in results.items() if "go-plugin" in name or "floor" in name}
    lines = [
        "# Results",
        "",
        "Written by `python benchmarks/run.py --write`: one run, rounds in turn, medians. A ratio is",
        "DevKit's figure over the other's: under 1 is better for times, over 1 for rates.",
        "The worker is confined.",
        "",
        f"Machine: {', '.join(f'{key} {value}' for key, value in dict(results['machine']).items())}.",
        "",
    ]
    if isinstance(ours, dict):
        named = {name: each for name, each in rivals.items() if isinstance(each, dict)}
        head = ["what", "DevKit", *(part for name in named for part in (name, "ratio"))]
        lines += ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
        for metric, value in ours.items():
            row = [metric, f"{value:,.1f}"]
            for each in named.values():
                other = each.get(metric)
                row += [f"{other:,.1f}", f"{value / other:.2f}"] if other else ["", ""]
            lines.append("| " + " | ".join(row) + " |")
    line = results.get("command line")
    if isinstance(line, dict):
        lines += [
            "",
            "| command | ms |",
            "|---|--:|",
            *(f"| {name} | {ms:,.0f} |" for name, ms in line.items()),
        ]
    skipped = [f"{name}: {each}" for name, each in rivals.items() if isinstance(each, str)]
    lines += ["", *(f"Skipped: {each}." for each in skipped)] if skipped else []
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["calls", "goplugin", "list"], action="append")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help="write the figures and ratios to RESULTS.md")
    parser.add_argument("--quick", action="store_true", help="one short round: does everything still run?")
    options = parser.parse_args()
    wanted = set(options.only or ["calls", "goplugin", "list"])
    rounds = 1 if options.quick else 5
    results: dict[str, object] = {
        "machine": {"python": platform.python_version(), "kernel": platform.release(), "cpus": os.cpu_count()}
    }
    if "goplugin" in wanted:
        results["go-plugin net/rpc"] = goplugin(rounds, options.quick)
    if "calls" in wanted:
        ours, bare = asyncio.run(devkit_rounds(rounds, options.quick))
        results["DevKit, Python worker, confined"] = {k: statistics.median(v) for k, v in ours.items()}
        results["floor: bare asyncio BufferedProtocol"] = {k: statistics.median(v) for k, v in bare.items()}
    if "goplugin" in wanted and not options.quick:
        again = goplugin(rounds, options.quick)  # before and after ours, so that a drift of the machine shows
        results["go-plugin net/rpc, after"] = again
    if "list" in wanted:
        results["command line"] = listing(options.quick)
    if options.write:
        (HERE / "RESULTS.md").write_text(page(results))
    if options.json:
        print(json.dumps(results, ensure_ascii=False, indent=1))
        return 0
    for name, figures in results.items():
        print(f"\n{name}")
        if isinstance(figures, str):
            print(f"  skipped: {figures}")
            continue
        for metric, value in figures.items():
            print(f"  {metric:45} {value:>14,.2f}" if isinstance(value, float) else f"  {metric:45} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
