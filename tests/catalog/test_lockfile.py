"""The project's lock: exactly those plugins, or an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devkit_core.catalog.discovery import discover
from devkit_core.catalog.folders import builtin_sources
from devkit_core.catalog.install import Installer, Surroundings
from devkit_core.catalog.lockfile import Locked, lock, read_lock, sync, write_lock
from devkit_core.catalog.planning import Plan
from devkit_core.catalog.state import State
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError

NEEDS = '[[dependencies]]\nid = "{}"\n'


def yes(plan: Plan) -> None:
    """Agree to anything."""


class Home:
    def __init__(self, root: Path, name: str, sources: list) -> None:
        places = Places.under(root / name, project=root / "project")
        around = Surroundings(
            present=lambda: discover(builtin_sources(PluginSystemConfig(), places)),
            sources=sources,
            runtimes={},
            devkit="0.1.0",
        )
        self.installer = Installer(places.data, State(places.data / "devkit.lock"), around)
        self.root = root

    def install(self, *texts: object, **more: object) -> None:
        self.installer.install([str(each) for each in texts], yes, here=self.root, **more)  # type: ignore[arg-type]

    def versions(self) -> dict[str, str]:
        return {name: each.active.version for name, each in self.installer.installed.read().items()}

    def sync(self, locked: list[Locked]) -> Plan:
        return sync(self.installer, locked, yes, project=self.root / "project")


@pytest.fixture
def homes(tmp_path: Path, shelf) -> tuple[Home, Home]:
    return Home(tmp_path, "first", [shelf]), Home(tmp_path, "second", [shelf])


def written(home: Home, path: Path, *ids: str) -> list[Locked]:
    write_lock(path, lock(home.installer, home.root / "project", ids))
    return read_lock(path)


def test_the_same_comes_elsewhere(homes, make, shelf, tmp_path: Path) -> None:
    first, second = homes
    shelf.add(make("v/1", identity="one", more=NEEDS.format("two")))
    shelf.add(make("w/1", identity="two"))
    first.install("one")
    first.install(make("project/tools/own", identity="own"))
    locked = written(first, tmp_path / "devkit.lock")
    assert [each.id for each in locked] == ["one", "own", "two"]
    assert locked[1].origin == "./tools/own"
    assert locked[0].archives == {"any": shelf.releases[0].sha256}
    shelf.add(make("v/2", identity="one", version="1.1.0", more=NEEDS.format("two")))
    second.sync(locked)
    assert second.versions() == {"one": "1.0.0", "own": "1.0.0", "two": "1.0.0"}
    assert second.sync(locked).steps == ()


def test_named_plugins_bring_what_they_need(homes, make, shelf, tmp_path: Path) -> None:
    first, _ = homes
    shelf.add(make("one", more=NEEDS.format("two")))
    shelf.add(make("two"))
    shelf.add(make("three"))
    first.install("one", "three")
    assert [each.id for each in written(first, tmp_path / "devkit.lock", "one")] == ["one", "two"]


def test_going_to_the_locked_version_uses_what_is_kept(homes, make, shelf, tmp_path: Path) -> None:
    first, _ = homes
    shelf.add(make("v/1", identity="one"))
    first.install("one")
    locked = written(first, tmp_path / "devkit.lock")
    shelf.add(make("v/2", identity="one", version="1.1.0"))
    first.install("one")
    shelf.releases.clear()
    assert first.sync(locked).steps[0].action == "downgrade"
    assert first.versions() == {"one": "1.0.0"}


def test_other_content_is_refused(homes, make, shelf, tmp_path: Path) -> None:
    first, second = homes
    folder = make("one")
    first.install(folder)
    shelf.add(make("two"))
    first.install("two")
    locked = written(first, tmp_path / "devkit.lock")
    (folder / "plugin.py").write_text("changed")
    with pytest.raises(DevKitError) as caught:
        second.sync(locked)
    assert caught.value.code == "lock-mismatch"
    assert second.versions() == {}
    again = shelf.add(make("x/two", identity="two", more='license = "MIT"\n'))
    shelf.releases[:] = [again]
    with pytest.raises(DevKitError) as caught:
        second.sync(locked[1:])
    assert caught.value.code == "lock-mismatch"
    shelf.releases.clear()
    with pytest.raises(DevKitError) as caught:
        second.sync(locked[1:])
    assert caught.value.code == "release-not-found"


def test_nothing_comes_that_the_lock_does_not_name(homes, make, shelf, tmp_path: Path) -> None:
    first, second = homes
    shelf.add(make("one", more=NEEDS.format("two")))
    shelf.add(make("two"))
    first.install("one")
    locked = [each for each in written(first, tmp_path / "devkit.lock") if each.id == "one"]
    with pytest.raises(DevKitError) as caught:
        second.sync(locked)
    assert caught.value.code == "dependency-missing"
    assert second.versions() == {}


ENTRY = {
    "id": "one",
    "version": "1.0.0",
    "content": "sha256:" + "a" * 64,
    "source": "path",
    "origin": "./one",
    "archives": {},
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        json.dumps({"format": 2, "plugins": []}).encode(),
        json.dumps({"format": 1, "plugins": {}}).replace("{}", '"x"').encode(),
        *(
            json.dumps({"format": 1, "plugins": [{**ENTRY, **change}]}).encode()
            for change in (
                {"id": "../x"},
                {"version": "x"},
                {"content": "md5:1"},
                {"archives": {"any": "x"}},
                {"archives": []},
                {"origin": 1},
                {"source": None},
            )
        ),
        json.dumps({"format": 1, "plugins": [ENTRY, ENTRY]}).encode(),
    ],
)
def test_a_lock_that_is_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "devkit.lock"
    path.write_bytes(content)
    with pytest.raises(DevKitError) as caught:
        read_lock(path)
    assert caught.value.code == "lock-invalid"
    assert caught.value.place is not None
    with pytest.raises(DevKitError) as caught:
        read_lock(tmp_path / "none")
    assert caught.value.code == "lock-missing"
