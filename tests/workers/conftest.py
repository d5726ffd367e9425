"""One plugin in a project of its own, and managers over it."""

import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "plug"
name = "plug"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., tuple[PluginSystemConfig, Places]]:
    """Write the plugin `plug`, and return what a manager over it is made of."""

    def write(source: str, **more: Any) -> tuple[PluginSystemConfig, Places]:
        folder = tmp_path / "plugins" / "plug"
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST)
        (folder / "plugin.py").write_text(textwrap.dedent(source))
        config = PluginSystemConfig(plugin_dir=tmp_path / "plugins", **more)
        return config, Places.under(tmp_path / "home", project=tmp_path)

    return write


@pytest.fixture
def loaded(
    written: Callable[..., tuple[PluginSystemConfig, Places]],
) -> Callable[..., Awaitable[PluginManager]]:
    """Write the plugin `plug` and load it; whoever asks closes the manager."""

    async def load(source: str, **more: Any) -> PluginManager:
        config, places = written(source, **more)
        manager = PluginManager(config, places=places)
        await manager.scan_and_load_plugins()
        return manager

    return load
