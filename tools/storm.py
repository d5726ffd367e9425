"""Faults at random times over plugins of every kind, while many callers count every reply.

`Storm` writes the plugins, runs an asynchronous manager and a blocking one over them, keeps callers busy
on both (tasks and threads), and lets faults befall them. Each call carries a number of its own; each plugin
notes the number of a call that it begins. So in the end it is known of each call that it ended once, with its
own answer or a typed error, and was begun once at the most. tools/soak.py is its command line.
"""

from __future__ import annotations

import asyncio
import faulthandler
import itertools
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import descendants, descriptors, pending

from devkit_core import PluginManager, PluginSystemConfig, blocking
from devkit_core.config.places import Places
from devkit_core.errors import DevKitError

HUNG = 60.0  # seconds after its own time limit, after which a call hangs
PLUGINS = Path(__file__).with_name("storm_plugins")
MANIFEST = """\
permissions = ["filesystem:write={notes}"]
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "Takes part in a storm"
author = "DevKit"
entry_point = "{entry}"
[runtime.env]
NOTES = "{notes}/{id}"
"""
SETTINGS = """\
[config.number]
type = "integer"
default = 1
"""


@dataclass
class Outcome:
    """What was seen. All but the first four are faults of the host's where they are not 0."""

    faults: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    answered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    overdue: Counter[str] = field(default_factory=Counter)  # calls that had time enough, by plugin
    lost: int = 0
    doubled: int = 0
    begun_twice: Counter[str] = field(default_factory=Counter)  # by plugin
    wrong: int = 0
    hung: int = 0
    untyped: Counter[str] = field(default_factory=Counter)
    dead: list[str] = field(default_factory=list)  # plugins that did not answer after the storm
    leaked: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        bad = self.lost + self.doubled + self.wrong + self.hung + sum(self.leaked.values())
        return not (bad or self.begun_twice or self.untyped or self.dead)

    def as_dict(self) -> dict[str, Any]:
        seen = {
            name: dict(value.most_common()) if isinstance(value, Counter) else value
            for name, value in vars(self).items()
        }
        return {"good": self.good, **seen, "faults": self.faults.total(), "kinds": seen["faults"]}


Weather = Callable[["Storm", PluginManager, blocking.PluginManager], Awaitable[None]]


class Storm:
    """Callers and faults over one folder; use it once, in one event loop."""

    def __init__(
        self, root: Path, seed: int, *, tasks: int = 12, threads: int = 4, pause: float = 0.0
    ) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.outcome = Outcome()
        self.plugins: dict[str, Path] = {}  # to the file that holds the code
        self._tasks = tasks
        self._threads = threads
        self._pause = pause  # seconds between a caller's calls
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # of what threads count
        self._ended = threading.Event()
        self._open: dict[int, float] = {}  # calls in flight, and until when they have to end
        self._notes = root / "notes"
        config = PluginSystemConfig(
            max_plugins=20, initialize_timeout=10, shutdown_timeout=2, execution_timeout=20, max_payload_mb=4,
            default_permissions=(f"filesystem:write={self._notes}",), max_restarts=1_000_000, ping_interval=1,
        )  # fmt: skip
        self._config = config

    def write(self) -> None:
        """Write the plugins that can be built here."""
        self._notes.mkdir(parents=True)
        for source in sorted(PLUGINS.iterdir()):
            if source.suffix == ".c" and shutil.which("gcc") is None:
                continue
            if source.suffix == ".js" and shutil.which("node") is None:
                continue
            folder = self.root / "plugins" / source.stem
            folder.mkdir(parents=True)
            entry = folder / source.name
            if source.suffix == ".c":
                entry = entry.with_suffix(".so")
                subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", entry, source], check=True)
            else:
                shutil.copy(source, entry)
            text = MANIFEST.format(id=source.stem, entry=entry.name, notes=self._notes)
            if "def configure" in source.read_text():
                text += SETTINGS
            (folder / "plugin.toml").write_text(text)
            self.plugins[source.stem] = entry

    # -- callers

    def _text(self) -> tuple[int, str, float]:
        """Return a call: its number, its input, its time limit."""
        number = next(self._numbers)
        choose = self.random.random()
        timeout = 15.0
        if choose < 0.80:
            verb, more = "echo", ""
        elif choose < 0.90:
            verb, more = "echo", "x" * self.random.choice([5_000, 70_000, 1_200_000])
        elif choose < 0.97:
            verb, more = "sleep", str(self.random.randint(1, 30))
        else:
            verb, more, timeout = "sleep", "60", 0.02  # runs out of time
        return number, f"{number} {verb} {more}", timeout

    def _begin(self, number: int, timeout: float) -> None:
        with self._lock:
            self.outcome.calls += 1
            self._open[number] = time.monotonic() + timeout + HUNG

    def _end(self, number: int, expected: str, answer: object, error: BaseException | None) -> None:
        with self._lock:
            if self._open.pop(number, None) is None:
                self.outcome.doubled += 1
            if isinstance(error, DevKitError):
                self.outcome.errors[error.code] += 1
                if error.code == "call-timeout" and " echo" in expected:
                    self.outcome.overdue[str(error.plugin)] += 1
            elif isinstance(error, asyncio.CancelledError):
                self.outcome.errors["cancelled"] += 1
            elif error is not None:
                self.outcome.untyped[repr(error)[:200]] += 1
            elif answer == expected:
                self.outcome.answered += 1
            else:
                self.outcome.wrong += 1

    async def ask(self, execute: Callable[..., Awaitable[Any]], verb: str, timeout: float) -> None:
        """Make a call that is a fault by itself, and count how it ends."""
        number = next(self._numbers)
        await self.call(execute, number, f"{number} {verb}", timeout)

    async def call(
        self, execute: Callable[..., Awaitable[Any]], number: int, text: str, timeout: float
    ) -> None:
        """Make one call and count how it ends."""
        self._begin(number, timeout)
        answer, error = None, None
        try:
            answer = await execute(text, timeout=timeout)
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
            if isinstance(raised, asyncio.CancelledError) and self._ended.is_set():
                raise
        finally:
            self._end(number, text, answer, error)

    async def _streamer(self, manager: PluginManager) -> None:
        while not self._ended.is_set():
            await self._stream(manager)
            await asyncio.sleep(0.05)

    async def _stream(self, manager: PluginManager) -> None:
        """Read an answer item by item, where the plugin is there."""
        plugin = self.random.choice(list(self.plugins))
        if (handle := manager.get_plugin(plugin)) is None:
            return

        async def items(text: str, timeout: float) -> str:
            return "".join([str(item) async for item in handle.stream(text, timeout)])

        number = next(self._numbers)
        await self.call(
            items, number, f"{number} items {'x' * self.random.choice([10, 3_000, 2_000_000])}", 15.0
        )

    def _mapper(self, manager: blocking.PluginManager) -> None:
        while not self._ended.is_set():
            self._map(manager)
            time.sleep(0.05)

    def _map(self, manager: blocking.PluginManager) -> None:
        """Make many calls by one map."""
        with self._lock:
            plugin = self.random.choice(list(self.plugins))
            numbers = [next(self._numbers) for _ in range(200)]
        texts = [f"{number} echo" for number in numbers]
        for number in numbers:
            self._begin(number, 15.0)
        try:
            outcomes = {each.position: each for each in manager.map(plugin, texts, timeout=15.0)}
        except DevKitError as error:  # it is being unloaded and loaded
            outcomes, whole = {}, error
        for position, number in enumerate(numbers):
            if (outcome := outcomes.get(position)) is not None:
                self._end(number, texts[position], outcome.value, outcome.error)
            else:
                self._end(number, texts[position], None, whole)

    async def _caller(self, manager: PluginManager) -> None:
        while not self._ended.is_set():
            await asyncio.sleep(self._pause)
            plugin = self.random.choice(list(self.plugins))
            handle = manager.get_plugin(plugin)
            if handle is None:  # it is being unloaded and loaded
                await asyncio.sleep(0.01)
                continue
            together = self.random.choice([1, 1, 1, 8])
            await asyncio.gather(*(self.call(handle.execute, *self._text()) for _ in range(together)))

    def _thread(self, manager: blocking.PluginManager) -> None:
        while not self._ended.is_set():
            time.sleep(self._pause)
            with self._lock:
                plugin = self.random.choice(list(self.plugins))
                number, text, timeout = self._text()
            self._begin(number, timeout)
            answer, error = None, None
            try:
                answer = manager.execute(plugin, text, timeout=timeout)
            except Exception as raised:  # noqa: BLE001 - what it is, is counted
                error = raised
            self._end(number, text, answer, error)

    # -- the run

    async def run(self, weather: Weather) -> Outcome:
        """Run callers until `weather` returns; then end everything and look at what is left."""
        self.write()
        before = self._held()
        places = Places.under(self.root / "home", project=self.root)
        others = Places.under(self.root / "other", project=self.root)
        async with PluginManager(self._config, places=places) as manager:
            in_threads = await asyncio.to_thread(blocking.PluginManager, self._config, places=others)
            await manager.scan_and_load_plugins()
            await asyncio.to_thread(in_threads.scan_and_load_plugins)
            callers = [self._caller] * self._tasks + [self._streamer]
            tasks = [asyncio.ensure_future(caller(manager)) for caller in callers]
            targets = [self._thread] * self._threads + [self._mapper]
            threads = [threading.Thread(target=target, args=[in_threads]) for target in targets]
            for thread in threads:
                thread.start()
            try:
                await weather(self, manager, in_threads)
            finally:
                self._ended.set()
            await self._wait_for(tasks, threads)
            for plugin in self.plugins:
                await self._try(plugin, manager, in_threads)
            await asyncio.to_thread(in_threads.close)
        await asyncio.get_running_loop().shutdown_default_executor()
        self._look(before, [places, others])
        return self.outcome

    def look_for_hung(self) -> None:
        """End this process, and show what was seen and where all threads are, where a call hangs."""
        with self._lock:
            self.outcome.hung = sum(until < time.monotonic() for until in self._open.values())
        if self.outcome.hung:
            faulthandler.dump_traceback(all_threads=True)
            print(json.dumps(self.outcome.as_dict(), indent=2), flush=True)
            os._exit(1)

    async def _wait_for(self, tasks: list[asyncio.Task[None]], threads: list[threading.Thread]) -> None:
        while not all(task.done() for task in tasks) or any(thread.is_alive() for thread in threads):
            self.look_for_hung()
            await asyncio.sleep(0.05)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                self.outcome.untyped[repr(error)[:200]] += 1
        self.outcome.lost = len(self._open)

    async def _try(self, plugin: str, manager: PluginManager, in_threads: blocking.PluginManager) -> None:
        """See that a plugin works after all that."""
        for name, execute in (
            ("tasks", lambda: manager.execute(plugin, "0 echo", timeout=30)),
            ("threads", lambda: asyncio.to_thread(in_threads.execute, plugin, "0 echo", timeout=30)),
        ):
            error: object = None
            for _ in range(3):  # the last fault may still be on its way
                try:
                    error = None if await execute() == "0 echo" else "another answer"
                except DevKitError as raised:
                    error = raised.code
                if error is None:
                    break
            if error is not None:
                self.outcome.dead.append(f"{plugin} by {name}: {error}")

    def _held(self) -> dict[str, int]:
        return {
            "processes": len(descendants(os.getpid())),
            "descriptors": descriptors(),
            "threads": threading.active_count(),
            "tasks": len(asyncio.all_tasks()),
        }

    def _look(self, before: dict[str, int], places: list[Places]) -> None:
        self._look_at_notes()
        until = time.monotonic() + 5
        while (now := self._held()) != before and time.monotonic() < until:
            time.sleep(0.05)
        left = {name: max(0, now[name] - before[name]) for name in before}
        left["futures"] = pending()
        left["scratch"] = sum(len(list((each.runtime / "scratch").glob("*"))) for each in places)
        self.outcome.leaked = left

    def _look_at_notes(self) -> None:
        for notes in self._notes.iterdir():
            begun = Counter(notes.read_text().split())
            begun.pop("0", None)
            if twice := sum(count - 1 for count in begun.values()):
                self.outcome.begun_twice[notes.name] += twice
