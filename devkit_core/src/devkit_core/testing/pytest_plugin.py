"""Fixtures for plugin authors; imports nothing heavy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from devkit_core.running.handle import PluginHandle

__all__ = ["devkit_plugin"]


@pytest.fixture
async def devkit_plugin(tmp_path: Path) -> AsyncIterator[Callable[[str | Path], Awaitable[PluginHandle]]]:
    """Load a plugin from its folder, confined as users run it: `handle = await devkit_plugin("path")`.

    Needs an async test runner, as pytest-asyncio in auto mode. The plugin is shut down after the test.
    """
    from devkit_core.config.places import Places
    from devkit_core.loading.source import Source
    from devkit_core.manager import PluginManager

    folders: list[Path] = []

    class Given(Source):
        name = "test"

        def folders(self) -> list[Path]:
            return folders

    places = Places.under(tmp_path / "devkit-home", project=tmp_path)
    async with PluginManager(places=places, sources=[Given()], control=False) as manager:

        async def load(folder: str | Path) -> PluginHandle:
            path = Path(folder).resolve()
            folders.append(path)
            for found in manager.discover():
                if found.folder == path:
                    return await manager.load(found.id)
            raise FileNotFoundError(path)

        yield load
