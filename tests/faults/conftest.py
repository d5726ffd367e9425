"""A project to break things in."""

import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager
from devkit_core.running.handle import PluginHandle

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""


class Project:
    """Writes plugins and loads them with one manager."""

    def __init__(self, root: Path, manager: PluginManager) -> None:
        self.root = root
        self.manager = manager

    def write(self, source: str, plugin: str = "subject", more: str = "") -> Path:
        folder = self.root / "plugins" / plugin
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=plugin) + textwrap.dedent(more))
        (folder / "plugin.py").write_text(textwrap.dedent(source))
        return folder

    async def load(self, source: str, plugin: str = "subject", more: str = "") -> PluginHandle:
        self.write(source, plugin, more)
        self.manager.discover()
        return await self.manager.load(plugin)


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    places = Places.under(tmp_path / "home", project=tmp_path)
    config = PluginSystemConfig(
        max_payload_mb=8,
        memory_limit_mb=96,
        initialize_timeout=20,
        shutdown_timeout=0.5,
        max_restarts=1_000_000,
    )
    async with PluginManager(config, places=places, control=False) as manager:
        yield Project(tmp_path, manager)
    assert list((places.runtime / "scratch").glob("host-*")) == []
