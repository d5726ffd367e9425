"""Code that waits outside of WebAssembly, where no slice of time ends."""

import asyncio
import os
import threading

import pytest

from devkit_core.errors import CallTimeout


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
