"""devkit plugin reload and unload reach hosts that run, and say so where none has the plugin."""

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager


class Host:
    """A host program in a thread of its own: its manager has every plugin loaded."""

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._thread.start()
        assert self._ready.wait(30)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with PluginManager(PluginSystemConfig(hot_reload=False), places=Places.find()) as manager:
            for each in self._ids:
                await manager.load(each)
            self.manager = manager
            self._ready.set()
            await self._stop.wait()

    def execute(self, plugin: str, text: str) -> str | bytes:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self.manager.execute(plugin, text), self._loop).result(30)

    @property
    def loaded(self) -> list[str]:
        return [each.id for each in self.manager.list_plugins()]

    def close(self) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)


@pytest.fixture
def host(project) -> Iterator[Host]:
    project.plugin("one", "def execute(text):\n    return 'old'\n")
    project.plugin("two", more='[[dependencies]]\nid = "one"')
    running = Host(["one", "two"])
    yield running
    running.close()


def test_reload_swaps_the_running_instance(project, host):
    (project.plugins / "one" / "plugin.py").write_text("def execute(text):\n    return 'new'\n")
    assert host.execute("one", "") == "old"
    done = project.run("plugin", "reload", "one")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(b"one in ")
    assert done.stderr.endswith(b": done\n")
    assert host.execute("one", "") == "new"


def test_a_reload_that_fails_keeps_the_old_one(project, host):
    (project.plugins / "one" / "plugin.py").write_text("raise RuntimeError('no')\n")
    done = project.run("plugin", "reload", "one")
    assert done.returncode == 1
    assert b"error[" in done.stderr
    assert host.execute("one", "") == "old"


def test_unload_and_cascade(project, host):
    done = project.run("plugin", "unload", "one")
    assert done.returncode == 1
    assert b"error[has-dependents]" in done.stderr
    assert host.loaded == ["one", "two"]
    assert project.run("plugin", "unload", "one", "--cascade").returncode == 0
    assert host.loaded == []


def test_status_shows_hosts_of_other_processes(project, host):
    done = project.run("plugin", "status", "--format", "json")
    (found,) = json.loads(done.stdout)["hosts"]
    assert found["plugins"] == {"one": "active", "two": "active"}
    assert b"one, two" in project.run("plugin", "status").stdout


def test_dry_run_names_the_hosts_and_changes_nothing(project, host):
    (project.plugins / "one" / "plugin.py").write_text("def execute(text):\n    return 'new'\n")
    done = project.run("plugin", "reload", "one", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(b": would reload\n")
    assert host.execute("one", "") == "old"
    done = project.run("plugin", "unload", "two", "--dry-run", "--format", "json")
    found = json.loads(done.stdout)
    assert found["dry_run"] is True
    assert [each["error"] for each in found["hosts"]] == [None]
    assert host.loaded == ["one", "two"]


def test_a_dry_reload_without_a_host_loads_nothing(project, devkit, data):
    project.plugin("bad", "raise RuntimeError('no')\n")
    assert "would load it" in devkit("plugin", "reload", "bad", "--dry-run").stderr
    assert data("plugin", "reload", "bad", "--dry-run")["trial_seconds"] is None


def test_without_a_host_reload_is_a_trial(project, devkit, data):
    project.plugin("one")
    assert "no running host has one loaded; it loads in" in devkit("plugin", "reload", "one").stderr
    found = data("plugin", "reload", "one")
    assert found["hosts"] == []
    assert found["trial_seconds"] > 0
    code = "def initialize():\n    raise RuntimeError('no')\ndef execute(text):\n    return ''\n"
    project.plugin("bad", code)
    assert "RuntimeError: no" in devkit("plugin", "reload", "bad", code=1).stderr


def test_without_a_host_unload_has_nothing_to_do(project, devkit, data):
    project.plugin("one")
    assert "no running host has one loaded" in devkit("plugin", "unload", "one").stderr
    assert data("plugin", "unload", "one")["hosts"] == []
    devkit("plugin", "unload", "two", code=3)
