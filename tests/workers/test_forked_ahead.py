"""From the second plugin on, a worker is forked ahead of the next one."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
PLUGIN = """
import os

def execute(text: str) -> str:
    return f"{os.getppid()} {os.environ['HOME']} {text}"
"""


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[PluginManager]:
    for name in ("one", "two", "three", "four"):
        folder = tmp_path / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=name))
        (folder / "plugin.py").write_text(PLUGIN)
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(PluginSystemConfig(hot_reload=False), places=places, control=False) as made:
        yield made


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def waiting(zygote: int, workers: set[int]) -> set[int]:
    """Return the one that was forked ahead, when it is there."""
    async with asyncio.timeout(10):
        while not (ahead := children(zygote) - workers):
            await asyncio.sleep(0.005)
    return ahead


async def test_the_next_plugin_gets_the_one_that_waits(manager: PluginManager) -> None:
    one = await manager.load("one")
    assert one.pid is not None
    zygote = parent(one.pid)
    assert children(zygote) == {one.pid}, "whoever loads one plugin has no use for a second worker"
    two = await manager.load("two")
    assert two.pid is not None
    ahead = await waiting(zygote, {one.pid, two.pid})
    three = await manager.load("three")
    assert {three.pid} == ahead
    result = await three.execute("hello")
    assert str(result).startswith(f"{zygote} ")
    assert str(result).endswith(" hello")
    assert "three-" in str(result), "its home is its own scratch folder"
    assert str(await one.execute("x")) != str(await three.execute("x"))


async def test_one_that_died_is_not_missed(manager: PluginManager) -> None:
    one, two = await manager.load("one"), await manager.load("two")
    assert one.pid is not None
    assert two.pid is not None
    zygote = parent(one.pid)
    (ahead,) = await waiting(zygote, {one.pid, two.pid})
    os.kill(ahead, signal.SIGKILL)
    async with asyncio.timeout(10):
        while ahead in children(zygote):
            await asyncio.sleep(0.005)
    three = await manager.load("three")
    assert three.pid not in (None, ahead)
    assert str(await three.execute("x")).endswith(" x")
    assert str(await (await manager.load("four")).execute("y")).endswith(" y")


async def test_it_ends_with_its_host(manager: PluginManager) -> None:
    one, two = await manager.load("one"), await manager.load("two")
    assert one.pid is not None
    assert two.pid is not None
    zygote = parent(one.pid)
    (ahead,) = await waiting(zygote, {one.pid, two.pid})
    await manager.close()
    async with asyncio.timeout(10):
        with contextlib.suppress(OSError):  # it is gone
            while parent(ahead) == zygote:
                await asyncio.sleep(0.005)
