"""Calls one after the other, whose answers are read without a turn of the loop: it gets its turns still."""

import asyncio

import pytest

from devkit_core.errors import CallTimeout, WorkerCrashed


async def test_other_tasks_run_while_one_calls_and_calls(loaded):
    async with await loaded("def execute(text: str) -> str:\n    return text\n") as manager:
        handle = manager.get_plugin("plug")
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(other())
        for number in range(400):
            assert await handle.execute(f"{number}") == f"{number}"
        task.cancel()
        assert turns >= 400 // 9


async def test_a_timer_fires_while_one_calls_and_calls(loaded):
    async with await loaded("def execute(text: str) -> str:\n    return text\n") as manager:
        handle = manager.get_plugin("plug")
        fired = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, fired.set)
        async with asyncio.timeout(60):
            while not fired.is_set():
                await handle.execute("x")


async def test_a_slow_answer_after_quick_ones(loaded):
    source = """
    import time

    def execute(text: str) -> str:
        time.sleep(float(text))
        return text
    """
    async with await loaded(source) as manager:
        handle = manager.get_plugin("plug")
        for _ in range(20):
            assert await handle.execute("0") == "0"
        for _ in range(5):
            assert await handle.execute("0.01") == "0.01"
        with pytest.raises(CallTimeout):
            await handle.execute("5", timeout=0.1)


async def test_a_death_after_quick_answers(loaded):
    source = """
    import os

    def execute(text: str) -> str:
        if text == "die":
            os._exit(3)
        return text
    """
    async with await loaded(source) as manager:
        handle = manager.get_plugin("plug")
        for _ in range(20):
            assert await handle.execute("x") == "x"
        with pytest.raises(WorkerCrashed):
            await handle.execute("die")
        for _ in range(20):
            assert await handle.execute("y") == "y"


async def test_an_answer_larger_than_a_frame_after_quick_ones(loaded):
    source = "def execute(text: str) -> str:\n    return 'z' * int(text)\n"
    async with await loaded(source) as manager:
        handle = manager.get_plugin("plug")
        for size in [1] * 20 + [127_000, 128_000, 200_000, 1_100_000, 20_000_000] + [1] * 20:
            assert len(await handle.execute(str(size))) == size
