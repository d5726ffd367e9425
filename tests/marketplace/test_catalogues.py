"""Which catalogues there are, in which order, and the registries that are refused."""

from __future__ import annotations

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import ConfigError
from devkit_core.hooks.extensions import Extensions
from devkit_core.loading.offers import Query
from devkit_marketplace import hooks
from devkit_marketplace.catalogues import catalogues
from devkit_marketplace.export import export


@pytest.fixture
def places(tmp_path):
    return Places.under(tmp_path / "home", project=tmp_path)


def test_the_settings_before_the_one_that_devkit_brings(places):
    config = PluginSystemConfig(registry_urls=("file:///a", "file:///b"))
    found = catalogues(config, places)
    assert [each.name for each in found] == ["registry", "registry-2", "catalogue"]
    assert sorted(found, key=lambda each: each.rank) == found


def test_they_come_through_the_hook_with_the_hosts_settings(places):
    extensions = Extensions.with_plugins([hooks])
    config = PluginSystemConfig(registry_urls=("file:///a",))
    assert [each.name for each in extensions.sources(config, places)] == ["catalogue", "registry"]
    assert extensions.broken == []
    assert not places.cache.exists()


def test_a_folder_is_read_where_its_address_says(make, plugins, places, tmp_path):
    make("one")
    export(plugins, tmp_path / "with space")
    config = PluginSystemConfig(registry_urls=(f"file://{tmp_path}/with%20space",))
    assert catalogues(config, places)[0].search(Query()).total == 1


@pytest.mark.parametrize("address", ["https://plugins.example.org/registry", "http://localhost:8080"])
def test_a_remote_registry_is_refused(places, address):
    source = catalogues(PluginSystemConfig(registry_urls=(address,)), places)[0]
    for ask in (lambda: source.search(Query()), lambda: source.versions("x"), lambda: source.describe("x")):
        with pytest.raises(ConfigError, match="not supported yet") as caught:
            ask()
        assert caught.value.code == "registry-unsupported"
