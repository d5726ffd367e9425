"""The catalogue that DevKit brings: in the package, or made from the checkout and kept in the cache."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from devkit_core.config.places import Places
from devkit_core.errors import NotFound, StateError
from devkit_marketplace.embedded import Embedded
from devkit_marketplace.export import export


@pytest.fixture
def places(tmp_path):
    return Places.under(tmp_path / "home", project=tmp_path)


@pytest.fixture
def package(tmp_path, plugins):
    """A package's folder in a checkout whose plugins are `plugins`."""
    folder = tmp_path / "devkit_marketplace" / "src" / "devkit_marketplace"
    folder.mkdir(parents=True)
    return folder


def test_a_checkouts_plugins_are_packed_once(make, plugins, places, package):
    make("one")
    (make("broken") / "plugin.toml").write_text("[metadata]\n")
    index = Embedded(places, package).open()
    assert list(index.root.plugins) == ["one"]
    assert [each.id for each in index.root.not_built] == ["broken"]
    before = (index.folder / "index.json").stat()
    assert Embedded(places, package).open().folder == index.folder
    assert (index.folder / "index.json").stat().st_mtime_ns == before.st_mtime_ns


def test_a_change_makes_it_anew(make, plugins, places, package, monkeypatch):
    folder = make("one")
    first = Embedded(places, package).open()
    (folder / "plugin.py").write_text("def execute(text):\n    return 2\n")
    second = Embedded(places, package).open()
    assert second.folder != first.folder
    assert first.root.plugins["one"].record != second.root.plugins["one"].record
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/opt/tools")
    assert Embedded(places, package).open().folder not in (first.folder, second.folder)


def test_what_was_made_long_ago_goes(make, places, package):
    make("one")
    old = places.cache / "catalogue" / "old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    Embedded(places, package).open()
    assert not old.exists()


def test_several_at_once_get_the_same(make, places, package):
    make("one")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(Embedded(places, package).open().root)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(each == found[0] for each in found)
    assert len(list((places.cache / "catalogue").iterdir())) == 1


def test_the_packages_own_goes_before_all(make, plugins, places, package):
    make("one")
    export(plugins, package / "catalogue")
    shutil.rmtree(plugins)
    index = Embedded(places, package).open()
    assert index.folder == package / "catalogue"
    assert not places.cache.exists()


def test_a_package_without_one(tmp_path, places):
    package = tmp_path / "a" / "site-packages" / "devkit_marketplace"
    package.mkdir(parents=True)
    with pytest.raises(NotFound) as caught:
        Embedded(places, package).open()
    assert caught.value.code == "catalogue-missing"


def test_a_cache_that_can_not_be_written(make, places, package):
    make("one")
    places.cache.parent.mkdir(parents=True)
    places.cache.write_text("a file stands where the folder should be")
    with pytest.raises(StateError) as caught:
        Embedded(places, package).open()
    assert caught.value.code == "catalogue-unwritable"
