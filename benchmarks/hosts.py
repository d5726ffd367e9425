"""DevKit as a contestant: a host in asyncio, in uvloop, and without an event loop.

The plugin echoes, confined, in the language that the host is made for.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from seat import (
    PAUSE,
    WINDOW,
    Figures,
    Seat,
    flight_in_loop,
    one_at_a_time,
    one_at_a_time_in_loop,
    pss,
    rate,
    spread,
    text_of,
)

from devkit_core import PluginManager, PluginSystemConfig, __version__, blocking
from devkit_core.config.places import Places

MANIFEST = """[metadata]
id = "{id}"
name = "Echo"
version = "1.0.0"
description = "returns its input"
author = "benchmarks"
entry_point = "{entry}"
"""
PYTHON = "def execute(text: str) -> str:\n    return text\n"
NODE = "exports.execute = (text) => text\n"
NATIVE = """
#include <stdlib.h>
#include <string.h>
typedef struct {
    const char *(*id)(void), *(*name)(void), *(*version)(void);
    int (*initialize)(void);
    char *(*execute)(const char *);
    int (*shutdown)(void);
} PluginInterface;
static const char *id(void) { return "echo"; }
static const char *version(void) { return "1.0.0"; }
static int nothing(void) { return 0; }
static char kept[1 << 20];
static char *execute(const char *input)
{
    size_t size = strlen(input) + 1;
    return size > sizeof kept ? NULL : memcpy(kept, input, size);
}
PluginInterface *create_plugin(void)
{
    static PluginInterface table = { id, id, version, nothing, execute, nothing };
    return &table;
}
"""
ENTRIES = {"python": "plugin.py", "node": "plugin.js", "native": "plugin.so"}


def project(root: Path, plugins: int = 1, language: str = "python") -> None:
    """Write a project with so many echo plugins: `echo`, `echo-1`, …"""
    for number in range(plugins):
        name = "echo" if not number else f"echo-{number}"
        folder = root / "plugins" / name
        folder.mkdir(parents=True)
        entry = ENTRIES[language]
        (folder / "plugin.toml").write_text(MANIFEST.format(id=name, entry=entry))
        if language == "native":
            (root / "plugin.c").write_text(NATIVE)
            command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(folder / entry), str(root / "plugin.c")]
            subprocess.run(command, check=True)
        else:
            (folder / entry).write_text(PYTHON if language == "python" else NODE)


class Asyncio(Seat):
    """DevKit in asyncio."""

    version = f"{__version__}, Python {platform.python_version()}"

    def __init__(self, language: str = "python") -> None:
        tool = {"native": "gcc", "node": "node"}.get(language)
        if tool is not None and shutil.which(tool) is None:
            raise ImportError(f"there is no {tool}", name=tool)
        self._language = language

    async def start(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        self._root = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="devkit-bench-")))
        project(self._root / "one", language=self._language)
        self._manager = await self._stack.enter_async_context(self._host("one"))
        self._handle = await self._manager.load("echo")

    def _host(self, name: str, plugins: int = 50) -> PluginManager:
        places = Places.under(self._root / f"{name}-home", project=self._root / name)
        return PluginManager(PluginSystemConfig(max_plugins=plugins), places=places, control=False)

    async def sequential(self, size: int, calls: int) -> Figures:
        return await one_at_a_time_in_loop(self._handle.execute, size, calls)

    async def flight(self, size: int, calls: int) -> Figures:
        return await flight_in_loop(self._handle.execute, size, calls)

    async def first_answer(self, starts: int) -> Figures:
        """Time a load and its first call; the host runs already, and so does what workers come from."""
        text, samples = text_of(100), []
        for _ in range(starts):
            await self._manager.unload("echo")
            await asyncio.sleep(PAUSE)
            begin = time.perf_counter_ns()
            self._handle = await self._manager.load("echo")
            await self._handle.execute(text)
            samples.append(time.perf_counter_ns() - begin)
        return spread(samples, 1e6, "ms")

    async def fleet(self, plugins: int) -> Figures:
        """Weigh the processes of plugins that have answered once and are idle."""
        name = f"fleet-{plugins}"
        if not (self._root / name).exists():
            project(self._root / name, plugins)
        async with self._host(name, plugins) as manager:
            loaded = [await manager.load(found.id) for found in manager.discover()]
            for handle in loaded:
                await handle.execute("x")
            return {"MiB": statistics.median(pss(handle.pid) for handle in loaded if handle.pid)}

    async def crowd(self, plugins: int) -> Figures:
        """Time a fresh host that loads many plugins, from its making to the last that is ready."""
        name = f"crowd-{plugins}"
        if not (self._root / name).exists():
            project(self._root / name, plugins)
        begin = time.perf_counter()
        async with self._host(name, plugins) as manager:
            report = await manager.scan_and_load_plugins()
            seconds = time.perf_counter() - begin
            if len(report.loaded) != plugins:
                raise AssertionError(f"{len(report.loaded)} of {plugins} were loaded")
        return {"s": seconds}

    async def stop(self) -> None:
        await self._stack.aclose()


class Uvloop(Asyncio):
    """DevKit in uvloop."""

    @staticmethod
    def loop_factory() -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()

    def __init__(self, language: str = "python") -> None:
        import uvloop  # noqa: F401 - is it here?

        super().__init__(language)
        self.version = f"{__version__}, uvloop {importlib.metadata.version('uvloop')}"


class Blocking(Seat):
    """DevKit without an event loop."""

    version = Asyncio.version

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="devkit-bench-")
        root = Path(self._folder.name)
        project(root)
        places = Places.under(root / "home", project=root)
        self._manager = blocking.PluginManager(PluginSystemConfig(), places=places, control=False)
        self._handle = await asyncio.to_thread(self._manager.load, "echo")

    def sequential(self, size: int, calls: int) -> Figures:
        return one_at_a_time(self._handle.execute, size, calls)

    def flight(self, size: int, calls: int) -> Figures:
        """Count what `map` answers in a second, in order, with as many in flight as it lets by itself."""
        text, done = text_of(size), 0
        begin = time.perf_counter_ns()
        for outcome in self._handle.map((text for _ in range(calls)), in_flight=WINDOW):
            outcome.result()
            done += 1
        return rate(done, begin)

    async def stop(self) -> None:
        await asyncio.to_thread(self._manager.close)
        self._folder.cleanup()
