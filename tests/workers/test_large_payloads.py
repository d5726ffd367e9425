"""Large inputs and answers of real workers, which travel in shared memory, and that memory's end."""

import asyncio
from pathlib import Path

import pytest

from devkit_core import blocking
from devkit_core.errors import PayloadTooLarge, WorkerCrashed

SIZES = [(128 << 10) - 1, 128 << 10, 1 << 20, (1 << 20) + 1, 5 << 20, 16 << 20, (16 << 20) + 1]


ECHO = "def execute(input: {kind}) -> {kind}:\n    return input\n"
ASYNC_ECHO = "async def execute(input: str) -> str:\n    return input\n"


@pytest.mark.parametrize("source", [ECHO.format(kind="str"), ASYNC_ECHO], ids=["sync", "async"])
async def test_texts_of_every_size_come_back_whole(loaded, source):
    async with await loaded(source) as manager:
        handle = manager.get_plugin("plug")
        for size in SIZES:
            for text in ("x" * size, "é" * (size // 2), "\N{SNOWMAN}" * (size // 3)):
                assert await handle.execute(text) == text
        assert manager.stats().plugins["plug"].bytes_in == manager.stats().plugins["plug"].bytes_out


async def test_bytes_of_every_size_come_back_whole(loaded):
    async with await loaded(ECHO.format(kind="bytes")) as manager:
        handle = manager.get_plugin("plug")
        for size in SIZES:
            data = bytes(range(256)) * (size // 256) + b"\xff" * (size % 256)
            assert await handle.execute(data) == data


async def test_many_at_once_mixed_with_small_ones(loaded):
    async with await loaded(ASYNC_ECHO) as manager:
        handle = manager.get_plugin("plug")
        texts = [chr(97 + n % 26) * (3 if n % 3 else 300_000 + n) for n in range(120)]
        assert await asyncio.gather(*(handle.execute(t) for t in texts)) == texts


def test_threads_too(written):
    config, places = written(ECHO.format(kind="str"))
    with blocking.PluginManager(config, places=places) as manager:
        manager.scan_and_load_plugins()
        handle = manager.get_plugin("plug")
        for size in SIZES:
            assert handle.execute("x" * size) == "x" * size
        texts = ["y" * (200_000 + n) for n in range(40)]
        assert [outcome.result() for outcome in handle.map(texts)] == texts


async def test_what_is_over_the_limit(loaded):
    source = "def execute(text: str) -> str:\n    return text * 3\n"
    async with await loaded(source, max_payload_mb=1) as manager:
        handle = manager.get_plugin("plug")
        with pytest.raises(PayloadTooLarge):
            await handle.execute("x" * ((1 << 20) + 1))
        with pytest.raises(PayloadTooLarge):
            await handle.execute("x" * 500_000)
        assert await handle.execute("x" * 300_000) == "x" * 900_000


async def test_a_worker_that_dies_with_a_large_input_in_hand(loaded):
    source = """
    import os

    def execute(text: str) -> str:
        if text[0] == "d":
            os.abort()
        return text
    """
    async with await loaded(source) as manager:
        handle = manager.get_plugin("plug")
        dying = asyncio.ensure_future(handle.execute("d" * 400_000))
        behind = [asyncio.ensure_future(handle.execute("b" * (400_000 + n))) for n in range(4)]
        with pytest.raises(WorkerCrashed):
            await dying
        assert [len(text) for text in await asyncio.gather(*behind)] == [400_000 + n for n in range(4)]


def _shared_kb(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps").read_text()
    at = rollup.index("memfd:devkit-progress")
    return int(rollup[at:].split("Rss:", 1)[1].split()[0])


async def test_the_memory_is_given_back_when_it_is_idle(loaded):
    async with await loaded(ECHO.format(kind="str")) as manager:
        handle = manager.get_plugin("plug")
        await handle.execute("x" * (4 << 20))
        async with asyncio.timeout(30):
            while _shared_kb(handle.pid) > 64:
                await asyncio.sleep(0.1)
        assert await handle.execute("y" * (4 << 20)) == "y" * (4 << 20)


async def test_the_memory_is_what_carries_them(loaded, tmp_path):
    source = """
    import os
    import time

    def execute(text: str) -> str:
        while not os.path.exists(os.path.join(os.path.dirname(__file__), "go")):
            time.sleep(0.01)
        return text
    """
    async with await loaded(source) as manager:
        handle = manager.get_plugin("plug")
        waits = asyncio.ensure_future(handle.execute("x" * (1 << 20)))
        async with asyncio.timeout(30):
            while _shared_kb(handle.pid) < 1024:
                await asyncio.sleep(0.01)
        (tmp_path / "plugins" / "plug" / "go").touch()
        assert await waits == "x" * (1 << 20)
