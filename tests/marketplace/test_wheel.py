"""The wheel brings the catalogue of the checkout's plugins, whole and with its hashes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.loading.offers import Query
from devkit_marketplace.embedded import Embedded
from devkit_marketplace.source import Catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The wheel, unpacked as an installation has it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder]
    subprocess.run([*command, ROOT / "devkit_marketplace"], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site" / "packages")
    return folder / "site" / "packages"


def test_the_catalogue_is_in_it(site, tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    source = Catalogue("catalogue", 1000, Embedded(places, site / "devkit_marketplace").open)
    found = {each.id for each in source.search(Query(limit=100)).found}
    assert {"json-tools", "python-formatter", "rust-analyzer-plus", "test-plugin", "todo-scanner"} <= found
    assert [each.version for each in source.versions("python-formatter")] == ["1.1.0", "1.0.5", "1.0.4"]
    for plugin in found:
        for release in source.versions(plugin):
            target = tmp_path / f"{plugin}-{release.version}"
            source.fetch(release, target)
            assert hashlib.sha256(target.read_bytes()).hexdigest() == release.sha256
    assert not places.cache.exists()


def test_nothing_of_it_is_left_in_the_checkout(site):
    assert not (ROOT / "devkit_marketplace/src/devkit_marketplace/catalogue").exists()
