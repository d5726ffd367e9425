"""A manager in uvloop's event loop, which `devkit-core[uvloop]` brings."""

import asyncio
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout, WorkerCrashed
from devkit_core.manager import PluginManager

uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed here")

MANIFEST = """
[metadata]
id = "plain"
name = "plain"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
PLUGIN = """
import os
import time


def execute(text: str):
    if text == "die":
        os._exit(3)
    if text == "hang":
        time.sleep(60)
    if text == "stream":
        return (str(number) for number in range(5))
    return text
"""


async def main(root: Path) -> None:
    config = PluginSystemConfig(plugin_dir=root / "plugins")
    async with PluginManager(config, places=Places.under(root / "home", project=root)) as manager:
        await manager.scan_and_load_plugins()
        handle = manager.get_plugin("plain")
        for number in range(30):
            assert await handle.execute(f"{number}") == f"{number}"
        texts = [f"{number}" * (1 + number % 2 * 100_000) for number in range(40)]
        assert await asyncio.gather(*map(handle.execute, texts)) == texts
        assert [item async for item in handle.stream("stream")] == ["0", "1", "2", "3", "4"]
        assert [outcome.result() async for outcome in handle.map(["a", "b"])] == ["a", "b"]
        with pytest.raises(WorkerCrashed):
            await handle.execute("die")
        with pytest.raises(CallTimeout):
            await handle.execute("hang", timeout=0.2)
        await manager.reload("plain")
        assert await handle.execute("again") == "again"


def test_all_that_a_manager_does(tmp_path):
    folder = tmp_path / "plugins" / "plain"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text(PLUGIN)
    uvloop.run(main(tmp_path))
