"""PluginSystemConfig: defaults, types, bounds, and every problem at once."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.config.schema import PluginSystemConfig, check, nearest, parse, setting, settings
from devkit_core.errors import ConfigError


def named(name: str):
    found = setting(name)
    assert found is not None
    return found


def test_defaults_are_the_documented_ones():
    promised = {
        "plugin_dir": "plugins",
        "max_plugins": 50,
        "execution_timeout": 300.0,
        "initialize_timeout": 10.0,
        "shutdown_timeout": 5.0,
        "enable_sandbox": True,
        "allow_unconfined": False,
        "default_permissions": (),
        "memory_limit_mb": 256,
        "max_payload_mb": 64,
        "loader_order": (),
        "trusted_plugins": (),
        "registry_urls": (),
        "disabled_extensions": (),
    }
    assert promised.items() <= dataclasses.asdict(PluginSystemConfig()).items()


def test_every_setting_says_what_it_is_for():
    for each in settings():
        assert each.doc.endswith("."), each.name
        assert (each.low is None) == (each.high is None) == (each.kind not in (int, float))


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PluginSystemConfig().max_plugins = 3  # type: ignore[misc]


def test_takes_paths_whole_numbers_and_lists():
    config = PluginSystemConfig(plugin_dir=Path("x"), execution_timeout=3, loader_order=["python", "wasm"])
    assert config.plugin_dir == Path("x")
    assert (config.execution_timeout, type(config.execution_timeout)) == (3.0, float)
    assert config.loader_order == ("python", "wasm")


def test_permissions_get_their_one_spelling():
    assert PluginSystemConfig(
        default_permissions=["FileSystemRead", "filesystem_read"]
    ).default_permissions == ("filesystem:read",)


def test_reports_every_problem():
    with pytest.raises(ConfigError) as caught:
        PluginSystemConfig(max_plugins=0, execution_timeout="soon", enable_sandbox=1, plugin_dir="")
    assert [each.place.key for each in caught.value.problems] == [
        "plugin_dir", "max_plugins", "execution_timeout", "enable_sandbox",
    ]  # fmt: skip
    assert caught.value.code == "config-invalid"
    assert "max_plugins must be a whole number from 1 to 10000, not 0" in caught.value.message


@pytest.mark.parametrize(("name", "value"), [
    ("max_plugins", True), ("max_plugins", 1.0), ("max_plugins", 10**30), ("execution_timeout", float("nan")),
    ("execution_timeout", float("inf")), ("execution_timeout", 0), ("execution_timeout", 10**400),
    ("enable_sandbox", "yes"), ("plugin_dir", "a\0b"), ("plugin_dir", 3), ("loader_order", "python"),
    ("loader_order", [1]), ("loader_order", ["../x"]), ("loader_order", ["a"] * 101),
    ("disabled_extensions", ["a\nb"]), ("default_permissions", ["filesystem:eat"]),
    ("default_permissions", [""]), ("trusted_plugins", ["../x"]), ("trusted_plugins", ["a/b"]),
    ("registry_urls", ["/srv/x"]), ("registry_urls", ["file://host/x"]), ("registry_urls", ["ftp://x/y"]),
    ("registry_urls", ["https://name:secret@x/y"]),
])  # fmt: skip
def test_refuses(name, value):
    with pytest.raises(ConfigError) as caught:
        check(named(name), value)
    assert name in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(("name", "text", "value"), [
    ("enable_sandbox", "off", False), ("enable_sandbox", " TRUE ", True), ("max_plugins", "7", 7),
    ("execution_timeout", "2.5", 2.5), ("execution_timeout", "3", 3.0), ("plugin_dir", "a b", "a b"),
    ("loader_order", "python, wasm,", ("python", "wasm")), ("loader_order", "", ()),
])  # fmt: skip
def test_reads_texts(name, text, value):
    found = parse(named(name), text)
    assert (found, type(found)) == (value, type(value))


@given(st.sampled_from(settings()), st.text(max_size=60))
def test_any_text_is_a_value_or_a_config_error(which, text):
    with contextlib.suppress(ConfigError):
        value = parse(which, text)
        assert check(which, value) == value


@given(
    st.sampled_from(settings()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ),
)
def test_any_value_is_taken_or_a_config_error(which, value):
    try:
        taken = check(which, value)
    except ConfigError:
        return
    assert isinstance(taken, which.kind)


def test_the_nearest_name_is_found():
    assert nearest("max_plugin", [each.name for each in settings()]) == "max_plugins"
    assert nearest("zzz", [each.name for each in settings()]) is None
