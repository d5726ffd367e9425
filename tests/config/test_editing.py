"""`config get` and `set`: comments kept, whole or not at all."""

from __future__ import annotations

import os
import tomllib
from concurrent.futures import ThreadPoolExecutor

import pytest

from devkit_core.config.editing import config_get, config_set, config_unset
from devkit_core.config.places import Places
from devkit_core.config.sources import load, read
from devkit_core.errors import ConfigError, NotFound, StateError

BEFORE = """\
# my settings
[other]
x = 1  # kept

[plugins]
# how many
max_plugins = 3 # few
"""


@pytest.fixture
def places(tmp_path) -> Places:
    (tmp_path / "project").mkdir()
    places = Places.under(tmp_path / "home", project=tmp_path / "project")
    places.config.mkdir(parents=True)
    return places


def test_set_keeps_all_else(places):
    places.user_file.write_text(BEFORE)
    assert config_set(places, "max_plugins", "4") == (4, places.user_file)
    assert places.user_file.read_text() == BEFORE.replace("= 3", "= 4")


def test_unset_keeps_all_else(places):
    places.user_file.write_text(BEFORE)
    assert config_unset(places, "max_plugins", dry_run=True) == (True, places.user_file)
    assert places.user_file.read_text() == BEFORE
    assert config_unset(places, "max_plugins") == (True, places.user_file)
    assert places.user_file.read_text() == BEFORE.replace("max_plugins = 3 # few\n", "")
    assert config_unset(places, "max_plugins") == (False, places.user_file)
    assert config_unset(places, "max_plugins", "project") == (False, places.project_file)
    assert not places.project_file.exists()
    places.project_file.write_text("plugins = 3")
    with pytest.raises(ConfigError):
        config_unset(places, "max_plugins", "project")


def test_set_makes_file_and_table_and_what_it_writes_is_read(places):
    for key, text in {
        "loader-order": "a,b",
        "plugins.enable_sandbox": "no",
        "execution_timeout": "2.5",
    }.items():
        config_set(places, key, text)
    loaded = load(places, environ={})
    assert loaded.config.loader_order == ("a", "b")
    assert loaded.config.enable_sandbox is False
    value, origin = config_get(loaded, "execution-timeout")
    assert (value, str(origin)) == (2.5, f"{places.user_file}:4:1")


def test_a_project_is_set_within_its_bounds(places):
    config_set(places, "plugin_dir", "tools", "project")
    assert places.project_file.read_text() == '[plugins]\nplugin_dir = "tools"\n'
    with pytest.raises(ConfigError) as caught:
        config_set(places, "enable_sandbox", "false", "project")
    assert caught.value.code == "config-untrusted"
    assert "sandbox" not in places.project_file.read_text()


def test_a_dry_run_checks_and_writes_nothing(places):
    assert config_set(places, "max_plugins", "4", dry_run=True)[0] == 4
    assert not places.user_file.exists()


@pytest.mark.parametrize(
    ("key", "value", "error"), [("max_plugin", "4", NotFound), ("max_plugins", "x", ConfigError)]
)
def test_what_can_not_be_set_changes_nothing(places, key, value, error):
    places.user_file.write_text(BEFORE)
    with pytest.raises(error):
        config_set(places, key, value)
    assert places.user_file.read_text() == BEFORE


def test_an_unknown_name_has_a_hint(places):
    with pytest.raises(NotFound) as caught:
        config_get(load(places, environ={}), "max_plugin")
    assert caught.value.hint == "Did you mean max_plugins?"


@pytest.mark.parametrize("content", [b"[plugins\n", b"\xff", b"plugins = 3\n"])
def test_a_file_that_does_not_parse_is_left_alone(places, content):
    places.user_file.write_bytes(content)
    with pytest.raises(ConfigError):
        config_set(places, "max_plugins", "4")
    assert places.user_file.read_bytes() == content


def test_a_file_that_can_not_be_written_is_an_error(places):
    places.user_file.mkdir()
    with pytest.raises(StateError) as caught:
        config_set(places, "max_plugins", "4")
    assert caught.value.code == "config-unwritable"


def test_mode_and_link_are_kept(places, tmp_path):
    target = tmp_path / "dotfiles.toml"
    target.write_text(BEFORE)
    target.chmod(0o640)
    places.user_file.symlink_to(target)
    config_set(places, "max_plugins", "4")
    assert places.user_file.is_symlink()
    assert "= 4" in target.read_text()
    assert os.stat(target).st_mode & 0o777 == 0o640


def test_two_at_once_lose_nothing(places):
    names = ["max_plugins", "execution_timeout", "memory_limit_mb", "max_payload_mb", "shutdown_timeout"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: config_set(places, name, "20"), names))
    loaded = load(places, environ={})
    assert [getattr(loaded.config, name) for name in names] == [20] * 5
    assert [path.name for path in places.config.iterdir()] == ["config.toml"]


def test_adding_keeps_what_a_list_has(places):
    config_set(places, "disabled_extensions", "a,b")
    parsed, path = config_set(places, "disabled_extensions", "b,c", add=True)
    assert parsed == ("a", "b", "c")
    assert tomllib.loads(path.read_text())["plugins"]["disabled_extensions"] == ["a", "b", "c"]
    assert config_set(places, "disabled_extensions", "d", add=True, dry_run=True)[0] == ("a", "b", "c", "d")


def test_a_project_adds_to_what_the_user_has(places):
    config_set(places, "ignore_patterns", "*.a")
    assert config_set(places, "ignore_patterns", "*.b", "project", add=True)[0] == ("*.a", "*.b")
    assert read(places, environ={}).config.ignore_patterns == ("*.a", "*.b")


def test_nothing_is_added_to_what_is_no_list(places):
    with pytest.raises(ConfigError, match="max_plugins is no list"):
        config_set(places, "max_plugins", "3", add=True)
    assert not places.user_file.exists()
