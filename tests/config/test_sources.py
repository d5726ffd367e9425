"""Where settings come from, in which order, and what a project may not say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from devkit_core.config.places import Places
from devkit_core.config.schema import settings
from devkit_core.config.sources import load, read
from devkit_core.errors import ConfigError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    project = tmp_path / "project"
    project.mkdir()
    return Places.under(tmp_path / "home", project=project)


def user(places: Places, text: str | bytes) -> None:
    places.config.mkdir(parents=True, exist_ok=True)
    places.user_file.write_bytes(text.encode() if isinstance(text, str) else text)


def project(places: Places, text: str) -> None:
    places.project_file.write_text(text)


def test_without_anything_all_are_defaults(places):
    loaded = load(places, environ={})
    assert {str(each) for each in loaded.origins.values()} == {"default"}
    assert loaded.problems == ()


def test_each_layer_goes_over_the_one_before_and_is_named(places):
    names = ["max_plugins", "execution_timeout", "initialize_timeout", "shutdown_timeout"]
    user(places, "# mine\n[plugins]\n" + "".join(f"{name} = 11\n" for name in names))
    project(places, "[plugins]\n" + "".join(f"{name} = 12\n" for name in names[1:]))
    environ = {"DEVKIT_INITIALIZE_TIMEOUT": "13", "DEVKIT_SHUTDOWN_TIMEOUT": "13"}
    loaded = load(places, environ=environ, arguments={"shutdown_timeout": 14, "max_plugins": None})
    assert [getattr(loaded.config, name) for name in names] == [11, 12, 13, 14]
    assert [str(loaded.origins[name]) for name in names] == [
        f"{places.user_file}:3:1", f"{places.project_file}:2:1", "DEVKIT_INITIALIZE_TIMEOUT", "argument",
    ]  # fmt: skip


def test_lines_are_found_in_any_form(places):
    user(places, 'plugins.max_plugins = 3\nplugins."loader_order" = [\n"a",\n]\n')
    origins = load(places, environ={}).origins
    assert origins["max_plugins"].place.line == 1
    assert origins["loader_order"].place.line == 2


def test_a_byte_order_mark_is_no_matter(places):
    user(places, b"\xef\xbb\xbf[plugins]\r\nmax_plugins = 3\r\n")
    loaded = load(places, environ={})
    assert (loaded.config.max_plugins, loaded.origins["max_plugins"].place.line) == (3, 2)


def test_a_home_that_is_no_folder_has_no_settings(tmp_path):
    (tmp_path / "home").touch()
    loaded = load(Places.under(tmp_path / "home", project=tmp_path), environ={})
    assert loaded.problems == ()


def test_an_empty_variable_is_none(places):
    assert load(places, environ={"DEVKIT_MAX_PLUGINS": " "}).config.max_plugins == 50


def test_unknown_keys_are_warnings_with_the_nearest_name(places):
    user(places, "max_plugins = 3\n[plugins]\nmax_plugin = 3\n[other]\n")
    loaded = load(places, environ={"DEVKIT_MAX_PLUGIN": "4", "DEVKIT_OF_ANOTHER_PROGRAM": "x"})
    assert loaded.config.max_plugins == 50
    assert all(each.warning and each.code == "config-unknown-key" for each in loaded.problems)
    hints = [each.hint for each in loaded.problems]
    assert hints == [
        "Write it below [plugins].", None, "Did you mean max_plugins?", "Did you mean DEVKIT_MAX_PLUGINS?",
    ]  # fmt: skip


def test_every_bad_value_is_reported_with_its_place(places):
    user(places, "[plugins]\nmax_plugins = 'many'\nexecution_timeout = -1\n")
    with pytest.raises(ConfigError) as caught:
        load(places, environ={"DEVKIT_ENABLE_SANDBOX": "perhaps"}, arguments={"nothing": 1})
    found = [str(each.place) for each in caught.value.problems]
    file = places.user_file
    assert found == [
        f"{file}:2:1",
        f"{file}:3:1",
        "DEVKIT_ENABLE_SANDBOX",
        "None",
    ]
    assert caught.value.place.text == "max_plugins = 'many'"


def test_reading_leaves_out_what_is_bad_and_keeps_the_rest(places):
    user(places, "[plugins]\nmax_plugins = 'many'\nexecution_timeout = 3\n")
    loaded = read(places, environ={})
    assert (loaded.config.max_plugins, loaded.config.execution_timeout) == (50, 3.0)
    assert len(loaded.problems) == 1


@pytest.mark.parametrize(("content", "code"), [
    (b"[plugins\n", "config-syntax"), (b"\xff\xfe", "config-syntax"), (b"plugins = 3", "config-invalid"),
    (b"[plugins]\nmax_plugins = 1\nmax_plugins = 1\n", "config-syntax"),
    (b"a=" + b"[" * 5000, "config-syntax"),
    (b"a=" + b"1" * 5000, "config-syntax"), (b"#" * 300_000, "config-unreadable"),
    (b"[plugins]\nmax_plugins = " + b"9" * 200, "config-invalid"),
])  # fmt: skip
def test_files_that_can_not_be_read(places, content, code):
    user(places, content)
    with pytest.raises(ConfigError) as caught:
        load(places, environ={})
    assert caught.value.code == code
    assert caught.value.place.path == str(places.user_file)


def test_a_fifo_is_not_waited_for(places):
    os.mkfifo(places.project_file)
    with pytest.raises(ConfigError) as caught:
        load(places, environ={})
    assert caught.value.code == "config-unreadable"


LOOSE = [
    "enable_sandbox = false", "allow_unconfined = true", "default_permissions = ['filesystem:read']",
    "memory_limit_mb = 257", "max_payload_mb = 65", "loader_order = ['x']", "registry_urls = ['file:///x']",
    "disabled_extensions = ['a']",
    "trusted_plugins = ['x']", "plugin_dir = '..'", "plugin_dir = '/tmp'", "plugin_dir = 'out'",
]  # fmt: skip


@pytest.mark.parametrize("line", LOOSE)
def test_a_project_can_not_loosen(places, tmp_path, line):
    (places.project / "out").symlink_to(tmp_path)
    project(places, f"[plugins]\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        load(places, environ={})
    assert caught.value.code == "config-untrusted"
    assert caught.value.place.line == 2
    assert "DEVKIT_" in caught.value.hint
    assert (
        read(places, environ={}).config == load(Places.under(tmp_path, project=tmp_path), environ={}).config
    )


@pytest.mark.parametrize("line", [
    "enable_sandbox = true", "allow_unconfined = false", "default_permissions = []", "memory_limit_mb = 64",
    "max_payload_mb = 1", "plugin_dir = 'tools/plugins'", "max_plugins = 500", "execution_timeout = 900",
])  # fmt: skip
def test_a_project_can_tighten_and_choose(places, line):
    project(places, f"[plugins]\n{line}\n")
    assert str(places.project_file) in str(load(places, environ={}).origins[line.split()[0]])


def test_what_the_user_loosened_a_project_may_say_too(places):
    user(
        places,
        "[plugins]\nenable_sandbox = false\ndefault_permissions = ['filesystem:read', 'network:https']\n",
    )
    project(places, "[plugins]\nenable_sandbox = false\ndefault_permissions = ['network:https']\n")
    assert load(places, environ={}).config.default_permissions == ("network:https",)


def test_the_user_can_loosen_over_a_project(places):
    project(places, "[plugins]\nenable_sandbox = true\n")
    assert load(places, environ={"DEVKIT_ENABLE_SANDBOX": "0"}).config.enable_sandbox is False


def test_a_project_can_not_take_back_what_the_user_disabled(places):
    user(places, "[plugins]\ndisabled_extensions = ['bad']\n")
    project(places, "[plugins]\ndisabled_extensions = []\n")
    with pytest.raises(ConfigError, match="can't loosen disabled_extensions"):
        load(places, environ={})


@examples(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.sampled_from(settings()).flatmap(
    lambda s: st.text(max_size=30).map(lambda t: f"[plugins]\n{s.name} = {t}\n".encode())
))  # fmt: skip
def test_any_file_gives_settings_and_problems(tmp_path_factory, data):
    home = tmp_path_factory.mktemp("any", numbered=True)
    places = Places.under(home, project=home)
    places.config.mkdir()
    places.user_file.write_bytes(data)
    loaded = read(places, environ={})
    assert set(loaded.origins) == {each.name for each in settings()}


def test_variables_of_plugins_own_settings_are_no_misspelling(tmp_path):
    loaded = read(Places.under(tmp_path, project=tmp_path), environ={"DEVKIT_PLUGIN_PATHS__X": "1"})
    assert loaded.problems == ()
