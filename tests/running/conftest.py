"""A loader whose plugins run in this very process, and a manager that has it alone."""

import asyncio
import types
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devkit_core.api import (
    Instance,
    Loader,
    LoadError,
    LoadRequest,
    PendingCall,
    PluginRaised,
    Result,
    hookimpl,
)
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.hooks.extensions import Extensions
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.pocket"
"""


class PocketInstance(Instance):
    """Answers `word:input` in the next turn of the loop; holds calls back while `held`."""

    def __init__(self, request: LoadRequest, words: dict[str, str]) -> None:
        self.functions = {"execute": 0}
        self.request = request
        self.words = words
        self.held: list[PendingCall] | None = None
        self.life: list[str] = []

    async def initialize(self, seconds: float) -> None:
        self.life.append("initialize")
        await asyncio.sleep(float(self.words.get("slow", 0)))
        if "fail" in self.words:
            raise LoadError("told to fail", plugin=self.request.id)

    async def ping(self, seconds: float) -> None:
        if "sick" in self.words:
            raise LoadError("no answer")

    def submit(self, call: PendingCall) -> None:
        if self.held is not None:
            self.held.append(call)
        else:
            asyncio.get_running_loop().call_soon(self.answer, call)

    def answer(self, call: PendingCall) -> None:
        if call.done():
            return
        if call.data == b"raise":
            call.set_exception(PluginRaised("raised"))
        else:
            call.set_result(Result(f"{self.words['word']}:".encode() + call.data, True))

    def die(self, unstarted: list[PendingCall]) -> None:
        self.request.ended(LoadError("died", code="worker-crashed"), unstarted)

    async def drain(self, seconds: float) -> None:
        self.life.append("drain")
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self.in_flight and loop.time() < until:
            await asyncio.sleep(0.001)

    @property
    def in_flight(self) -> int:
        return sum(not call.done() for call in self.held or ())

    async def shutdown(self, seconds: float) -> None:
        self.life.append("shutdown")

    async def close(self) -> None:
        self.life.append("close")


class PocketLoader(Loader):
    """Reads `key value` lines; keeps every instance it made."""

    name = "pocket"
    extensions = frozenset({".pocket"})
    confinement = "runtime"

    def __init__(self) -> None:
        self.made: list[PocketInstance] = []
        self.closed = 0

    async def start(self, request: LoadRequest) -> PocketInstance:
        words = dict(line.split(" ", 1) for line in request.entry.path.read_text().splitlines())
        self.made.append(PocketInstance(request, words))
        return self.made[-1]

    async def close(self) -> None:
        self.closed += 1


class Pocket:
    """A project of such plugins."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loader = PocketLoader()
        extension = types.ModuleType("pocket")
        extension.devkit_register_loaders = hookimpl(lambda: [self.loader])
        self.extensions = Extensions.with_plugins([extension])
        self.places = Places.under(root / "home", project=root)
        self.manager = PluginManager(
            PluginSystemConfig(max_payload_mb=1),
            places=self.places,
            extensions=self.extensions,
            control=False,
        )

    def write(self, plugin: str = "one", more: str = "", **words: object) -> Path:
        folder = self.root / "plugins" / plugin
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=plugin) + more)
        lines = {"word": "first", **words}
        (folder / "plugin.pocket").write_text("\n".join(f"{key} {value}" for key, value in lines.items()))
        return folder

    @property
    def last(self) -> PocketInstance:
        return self.loader.made[-1]


@pytest.fixture
async def pocket(tmp_path: Path) -> AsyncIterator[Pocket]:
    made = Pocket(tmp_path)
    async with made.manager:
        yield made
    assert made.loader.closed == (1 if made.loader.made else 0)
    assert list((made.places.runtime / "scratch").glob("host-*")) == []
