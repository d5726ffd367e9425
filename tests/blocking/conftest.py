"""A project with plugins, and blocking managers over it."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devkit_core.blocking import PluginHandle, PluginManager
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
#: does what its input says
BUSY = """
    import os, signal, sys, time

    def execute(text):
        word, _, rest = text.partition(" ")
        if word == "sleep":
            time.sleep(float(rest))
        elif word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "raise":
            raise ValueError(rest)
        elif word == "make":
            return "x" * int(rest)
        elif word == "pid":
            return str(os.getpid())
        return rest
"""


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places.under(root / "home", project=root)
        self.managers: list[PluginManager] = []

    def write(self, plugin: str, source: str, more: str = "") -> None:
        folder = self.root / "plugins" / plugin
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=plugin) + textwrap.dedent(more))
        (folder / "plugin.py").write_text(textwrap.dedent(source))

    def manager(self, **more: Any) -> PluginManager:
        extensions = more.pop("extensions", None)
        config = PluginSystemConfig(**{"initialize_timeout": 20, "shutdown_timeout": 1, **more})
        made = PluginManager(config, places=self.places, extensions=extensions, control=False)
        self.managers.append(made)
        return made


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    for manager in made.managers:
        manager.close()
    assert list((made.places.runtime / "scratch").glob("host-*")) == []


@pytest.fixture
def manager(project: Project) -> PluginManager:
    return project.manager()


@pytest.fixture
def busy(project: Project, manager: PluginManager) -> PluginHandle:
    project.write("busy", BUSY)
    return manager.load("busy")
