"""A project with plugins, and managers over it."""

import asyncio
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.events.bus import EventKind
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "{version}"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
SECONDS = 20
ONE = 'def execute(text: str) -> str:\n    return "one"\n'
ECHO = "def execute(text: str) -> str:\n    return text\n"


class Project:
    """Writes plugins and makes managers, which end with the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places.under(root / "home", project=root)
        self.managers: list[PluginManager] = []

    def write(
        self, plugin: str, source: str = ECHO, *, version: str = "1.0.0", needs: dict[str, str] | None = None,
        more: str = "", optional: tuple[str, ...] = (),
    ) -> Path:  # fmt: skip
        folder = self.root / "plugins" / plugin
        folder.mkdir(parents=True, exist_ok=True)
        text = MANIFEST.format(id=plugin, version=version)
        for need, requirement in (needs or {}).items():
            word = "true" if need in optional else "false"
            text += f'\n[[dependencies]]\nid = "{need}"\nversion = "{requirement}"\noptional = {word}\n'
        (folder / "plugin.toml").write_text(text + textwrap.dedent(more))
        (folder / "plugin.py").write_text(textwrap.dedent(source))
        return folder

    def manager(self, *, control: bool = False, **more: Any) -> PluginManager:
        options = {name: more.pop(name) for name in ("extensions", "sources", "places") if name in more}
        config = PluginSystemConfig(**{"initialize_timeout": 20, "shutdown_timeout": 1, **more})
        made = PluginManager(config, **{"places": self.places, **options}, control=control)
        self.managers.append(made)
        return made


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    made = Project(tmp_path)
    yield made
    for manager in made.managers:
        await manager.close()
    assert list((made.places.runtime / "scratch").glob("host-*")) == []


class Changing:
    """A manager that watches, and what it told so far."""

    def __init__(self, project, manager) -> None:
        self.project = project
        self.manager = manager
        self.events = manager.subscribe()
        self.seen: list = []

    async def until(self, kind: EventKind, plugin: str | None = "plain"):
        """Wait for the next event of a kind, and return it; what came before it is in `seen`."""
        async with asyncio.timeout(SECONDS):
            async for event in self.events:
                self.seen.append(event)
                if event.kind is kind and event.plugin == plugin:
                    return event
        raise AssertionError("the events ended")

    def kinds(self, plugin: str = "plain") -> list[EventKind]:
        return [event.kind for event in self.seen if event.plugin == plugin]

    def write(self, text: str, plugin: str = "plain") -> None:
        (self.project.root / "plugins" / plugin / "plugin.py").write_text(text)


@pytest.fixture
def watching(project: Project) -> Callable[[PluginManager], Changing]:
    """Follow what a manager tells from now on."""
    return lambda manager: Changing(project, manager)


@pytest.fixture
async def changing(project, watching):
    project.write("plain", ONE)
    async with project.manager(control=True, debounce_delay_ms=60) as manager:
        changing = watching(manager)
        await manager.scan_and_load_plugins()
        await changing.until(EventKind.WATCH_STARTED)
        yield changing
