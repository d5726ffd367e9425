"""Plugins in JavaScript and TypeScript, written by each test, and a manager that runs them."""

import dataclasses
import shutil
import textwrap
from pathlib import Path

import pytest

from devkit_core.api import LoadError
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager
from devkit_loader_node.runtime import find, find_path
from devkit_loader_node.typescript import esbuild

MANIFEST = """\
[metadata]
id = "{id}"
name = "A test"
version = "1.0.0"
description = "A test"
author = "DevKit"
entry_point = "{entry}"

[[capabilities]]
capability = "Testing"
{more}
"""


@pytest.fixture(scope="session")
def node() -> Path:
    try:
        return find_path()
    except LoadError as error:
        pytest.skip(f"needs Node.js 22.18 or newer: {error.message}")


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """What loaders keep, shared by the session: esbuild and packages are fetched once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
async def typescript(node, cache) -> None:
    await fetched(esbuild, await find(cache / "node"), cache / "node")


async def fetched(fetch, *args):
    """What npm fetches, or a skip where it can't."""
    try:
        return await fetch(*args)
    except LoadError as error:
        if error.code not in ("esbuild-missing", "packages-unavailable"):
            raise
        pytest.skip(f"needs npm's registry: {error.message}")


class Bench:
    """Makes plugins below one folder and loads them; `logs(id)` is what they printed."""

    def __init__(self, root: Path, manager: PluginManager) -> None:
        self.root = root
        self.manager = manager

    def write(self, entry: str, *, id: str = "plugin", more: str = "", files=(), **named: str) -> Path:
        """Write a plugin: files by path, or named with `_` for `.` and `__` for `/`."""
        folder = self.root / "plugins" / id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=id, entry=entry, more=more))
        every = {name.replace("__", "/").replace("_", "."): text for name, text in named.items()}
        for name, text in {**every, **dict(files)}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return folder

    async def load(self, entry: str, *, id: str = "plugin", **parts):
        self.write(entry, id=id, **parts)
        return await self.manager.load(id)

    async def js(self, source: str, **more):
        return await self.load("plugin.js", plugin_js=source, **more)

    async def mjs(self, source: str, **more):
        return await self.load("plugin.mjs", plugin_mjs=source, **more)

    def logs(self, id: str = "plugin") -> list[str]:
        return [line.text for line in self.manager.logs.lines(id)]


@pytest.fixture
async def bench(node, cache, tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    places = dataclasses.replace(Places.under(tmp_path / "home", project=root), cache=cache)
    async with PluginManager(
        PluginSystemConfig(initialize_timeout=20), places=places, control=False
    ) as manager:
        yield Bench(root, manager)
