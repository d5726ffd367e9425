"""What waits in a host is bounded, typed where it is refused, and fair between plugins."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devkit_core import blocking
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import Overloaded
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
#: answers once there is a file `go` beside it
GATED = """
import os, time
GO = os.path.join(os.path.dirname(__file__), "go")

def execute(data: bytes) -> str:
    while not os.path.exists(GO):
        time.sleep(0.005)
    return str(len(data))
"""
CONFIG = PluginSystemConfig(max_waiting_calls=60, max_waiting_mb=4, initialize_timeout=20, shutdown_timeout=1)
LARGE = b"x" * (100 << 10)  # below what goes by shared memory


class House:
    """Gated plugins, and a manager with little room."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places.under(root / "home", project=root)
        for name in ("one", "two"):
            folder = root / "plugins" / name
            folder.mkdir(parents=True)
            (folder / "plugin.toml").write_text(MANIFEST.format(id=name))
            (folder / "plugin.py").write_text(GATED)

    def go(self, *names: str) -> None:
        for name in names:
            (self.root / "plugins" / name / "go").touch()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
async def manager(house: House) -> AsyncIterator[PluginManager]:
    async with PluginManager(CONFIG, places=house.places, control=False) as made:
        made.discover()
        yield made


def flood(handle, count: int, data: bytes) -> list[asyncio.Task]:
    return [asyncio.ensure_future(handle.execute(data, timeout=100)) for _ in range(count)]


async def settled(tasks: list[asyncio.Task]) -> tuple[int, list[Overloaded]]:
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [each for each in results if isinstance(each, Overloaded)]
    answered = [each for each in results if isinstance(each, str)]
    assert len(refused) + len(answered) == len(results), results
    return len(answered), refused


async def test_what_waits_is_bounded_by_bytes(house, manager):
    handle = await manager.load("one")
    tasks = flood(handle, 100, LARGE)
    await asyncio.sleep(0)
    house.go("one")
    answered, refused = await settled(tasks)
    # half of 4 MiB may wait for one plugin, and what the channel's window holds is on its way
    assert 20 <= answered <= 30
    error = refused[0]
    assert error.code == "overloaded"
    assert "wait for `one`" in error.message
    assert "4 MiB may wait" in error.message
    assert "max_waiting_mb" in error.hint
    assert await handle.execute(b"now") == "3"


async def test_what_waits_is_bounded_by_calls(house, manager):
    handle = await manager.load("one")
    tasks = flood(handle, 1, b"x" * (600 << 10))  # it fills the window of the channel
    tasks += flood(handle, 100, b"tiny")
    await asyncio.sleep(0)
    house.go("one")
    answered, refused = await settled(tasks)
    assert answered == 31
    assert "60 and 4 MiB may wait" in refused[0].message


async def test_one_plugins_flood_leaves_room_for_another(house, manager):
    one, two = await manager.load("one"), await manager.load("two")
    first = flood(one, 200, LARGE)
    await asyncio.sleep(0)
    second = flood(two, 15, LARGE)
    await asyncio.sleep(0)
    house.go("one", "two")
    answered, refused = await settled(second)
    assert (answered, refused) == (15, [])
    assert (await settled(first))[1]


async def test_whoever_asks_first_waits_instead(house, manager):
    handle = await manager.load("one")

    async def polite() -> str:
        await handle.ready(len(LARGE))
        return await handle.execute(LARGE, timeout=100)

    tasks = [asyncio.ensure_future(polite()) for _ in range(120)]
    await asyncio.sleep(0.05)
    house.go("one")
    assert (await settled(tasks)) == (120, [])


async def test_calls_that_nobody_waits_for_make_room(house, manager):
    handle = await manager.load("one")
    tasks = flood(handle, 60, LARGE)
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    more = flood(handle, 10, LARGE)
    await asyncio.sleep(0)
    house.go("one")
    assert (await settled(more)) == (10, [])


async def test_maps_wait_for_room(house, manager):
    handle = await manager.load("one")

    async def mapped() -> int:
        outcomes = [each async for each in handle.map([LARGE] * 40, in_flight=40, timeout=100)]
        return sum(each.ok for each in outcomes)

    tasks = [asyncio.ensure_future(mapped()) for _ in range(4)]
    await asyncio.sleep(0.1)
    house.go("one")
    assert await asyncio.gather(*tasks) == [40] * 4


async def test_calls_of_a_worker_that_died_are_not_refused(house, manager):
    handle = await manager.load("one")
    tasks = flood(handle, 25, LARGE)
    await asyncio.sleep(0.1)
    house.go("one")
    os.kill(handle.pid, signal.SIGKILL)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not any(isinstance(each, Overloaded) for each in results)
    assert sum(isinstance(each, str) for each in results) >= 22


def test_threads_are_bounded_too(house):
    with blocking.PluginManager(CONFIG, places=house.places, control=False) as manager:
        manager.discover()
        handle = manager.load("one")
        results: list[object] = []

        def work() -> None:
            try:
                results.append(handle.execute(LARGE, timeout=100))
            except Overloaded as error:
                results.append(error)

        threads = [threading.Thread(target=work) for _ in range(60)]
        for thread in threads:
            thread.start()
        for _ in range(2000):
            if any(isinstance(each, Overloaded) for each in results):
                break
            threading.Event().wait(0.01)
        house.go("one")
        for thread in threads:
            thread.join(100)
        refused = [each for each in results if isinstance(each, Overloaded)]
        assert len(results) == 60
        assert 20 <= len(refused) <= 45
        handle.ready(1000)
        assert handle.execute(b"now") == "3"
        assert sum(each.ok for each in handle.map([LARGE] * 100, in_flight=80)) == 100
