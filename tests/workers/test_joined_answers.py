"""Short answers that a worker writes together: none waits for a slow call behind it, and none is lost."""

import asyncio
import threading

import pytest

from devkit_core import blocking
from devkit_core.errors import CallTimeout, WorkerCrashed

PLUGIN = """
import os
import time

HERE = os.path.dirname(__file__)


def execute(text: str):
    if text == "wait":
        while not os.path.exists(os.path.join(HERE, "go")):
            time.sleep(0.01)
    if text == "die":
        os.kill(os.getpid(), 9)
    if text == "raise":
        raise ValueError(text)
    if text == "stream":
        return (str(number) for number in range(3))
    if text == "long":
        return "x" * 100_000
    return text
"""
SECONDS = 60


@pytest.fixture
async def handle(loaded):
    async with await loaded(PLUGIN, max_restarts=1000) as manager:
        handle = manager.get_plugin("plug")
        await handle.execute("warm")
        yield handle


def together(handle, *texts: str) -> list[asyncio.Task]:
    return [asyncio.ensure_future(handle.execute(text)) for text in texts]


async def test_answers_come_while_a_slow_call_behind_them_runs(handle, tmp_path):
    quick = [str(number) for number in range(20)]
    *tasks, slow = together(handle, *quick, "wait")
    async with asyncio.timeout(SECONDS):
        assert await asyncio.gather(*tasks) == quick
        assert not slow.done()
        (tmp_path / "plugins" / "plug" / "go").touch()
        assert await slow == "wait"
        assert await asyncio.gather(*together(handle, *quick)) == quick


async def test_answers_of_a_worker_that_dies_behind_them(handle):
    for _ in range(10):
        quick = [str(number) for number in range(20)]
        *tasks, dies = together(handle, *quick, "die")
        async with asyncio.timeout(SECONDS):
            assert await asyncio.gather(*tasks) == quick
            with pytest.raises(WorkerCrashed):
                await dies


async def test_all_kinds_of_answers_between_them(handle):
    texts = ["1", "raise", "2", "long", "3", "stream", "4", "é", "5", "wait" * 1000, "6"]
    expected = ["1", None, "2", "x" * 100_000, "3", "012", "4", "é", "5", "wait" * 1000, "6"]
    async with asyncio.timeout(SECONDS):
        for _ in range(10):
            found = await asyncio.gather(*together(handle, *texts), return_exceptions=True)
            assert [None if isinstance(each, Exception) else each for each in found] == expected


async def test_a_slow_call_that_is_given_up_behind_them(handle):
    pid = handle.pid
    quick = [str(number) for number in range(20)]
    *tasks, slow = together(handle, *quick), asyncio.ensure_future(handle.execute("wait", timeout=0.3))
    async with asyncio.timeout(SECONDS):
        assert await asyncio.gather(*tasks[0]) == quick
        with pytest.raises(CallTimeout):
            await slow
        assert await handle.execute("after") == "after"
    assert handle.pid == pid


async def test_callers_that_give_up_before_their_answers_were_written(handle, tmp_path):
    *tasks, slow = together(handle, *map(str, range(20)), "wait")
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    async with asyncio.timeout(SECONDS):
        assert await asyncio.gather(*tasks[1::2]) == [str(number) for number in range(1, 20, 2)]
        (tmp_path / "plugins" / "plug" / "go").touch()
        assert await slow == "wait"
        assert await handle.execute("after") == "after"


def test_threads_get_theirs_too(written, tmp_path):
    config, places = written(PLUGIN)
    with blocking.PluginManager(config, places=places) as manager:
        manager.scan_and_load_plugins()
        handle = manager.get_plugin("plug")
        found: list[str] = []
        enough = threading.Event()

        def maps() -> None:
            texts = [str(number) for number in range(20)]
            for outcome in handle.map([*texts, "wait", *texts]):
                found.append(outcome.result())
                if len(found) == 20:
                    enough.set()

        thread = threading.Thread(target=maps)
        thread.start()
        assert enough.wait(SECONDS)
        assert "wait" not in found
        (tmp_path / "plugins" / "plug" / "go").touch()
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert len(found) == 41
