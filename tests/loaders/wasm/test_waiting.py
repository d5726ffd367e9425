"""Code that waits outside of WebAssembly, where no slice of time ends."""

import asyncio
import os
import threading

import pytest

from devkit_core.errors import CallTimeout, Overloaded


def lanes():
    return [thread for thread in threading.enumerate() if thread.name == "devkit-wasm-conformance"]


async def test_a_sleep_ends_with_its_call(start):
    _, handle = await start()
    with pytest.raises(CallTimeout):
        await handle.execute("sleep 3600000", timeout=0.1)
    assert await handle.execute("echo on", timeout=5) == "on"
    assert len(lanes()) == 1


async def test_a_thread_that_a_file_system_holds_is_left_behind(start, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    manager, handle = await start(f"filesystem:read={tmp_path}")
    with pytest.raises(CallTimeout):
        await handle.execute("read fifo", timeout=0.1)
    assert await handle.execute("echo on", timeout=5) == "on"
    assert len(lanes()) == 2
    await asyncio.sleep(0.02)
    assert any("left behind" in line.text for line in manager.logs.lines("conformance"))
    os.close(os.open(tmp_path / "fifo", os.O_WRONLY))
    while len(lanes()) > 1:
        await asyncio.sleep(0.01)
    assert await handle.execute("echo on", timeout=5) == "on"


async def test_what_waits_is_bounded(start):
    _, handle = await start()
    first = asyncio.ensure_future(handle.execute("sleep 300", timeout=50))
    await asyncio.sleep(0)
    calls = [asyncio.ensure_future(handle.execute("echo on", timeout=50)) for _ in range(10_500)]
    results = await asyncio.gather(first, *calls, return_exceptions=True)
    refused = [each for each in results if isinstance(each, Overloaded)]
    assert 450 <= len(refused) <= 550
    assert all(each == "on" for each in results[1:] if not isinstance(each, Overloaded))
    assert await handle.execute("echo now", timeout=50) == "now"
