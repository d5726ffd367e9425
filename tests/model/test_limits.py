"""Every limit: its bounds, its value among manifest, setting and the user's word, and its page."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.config.schema import PluginSystemConfig, setting
from devkit_core.errors import ConfigError
from devkit_core.model.limits import LIMITS, given_limits, held
from devkit_core.model.tables import Limits, Timeouts

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("each", LIMITS, ids=lambda each: each.name)
def test_each_has_a_setting_a_key_and_a_line_of_its_page(each) -> None:
    assert setting(each.setting).default == each.default
    assert each.key in (*Limits.__struct_fields__, *Timeouts.__struct_fields__)
    row = re.search(rf"^\| `{each.name}` \|.*$", (ROOT / "docs/reference/limits.md").read_text(), re.M)
    assert row, each.name
    for word in (each.setting, each.key, each.code):
        assert f"`{word}`" in row[0], (each.name, word)
    default = f"{each.default:,g}"
    assert f"| {default if default != '0' else 'none'}" in row[0]


def values(asked=None, given=(), **settings):
    config = PluginSystemConfig(**settings)
    known = {each.setting: getattr(config, each.setting) for each in LIMITS}
    return {each.limit.name: (each.value, each.by) for each in held("one", asked or {}, known, given)}


def test_a_manifest_lowers_and_never_raises() -> None:
    found = values({"max_threads": 4, "max_memory_mb": 9999, "max_cpu_seconds": 7})
    assert found["threads"] == (4, "manifest")
    assert found["memory_mb"] == (256, "setting")
    assert found["cpu_seconds"] == (7, "manifest")
    assert values({"max_cpu_seconds": 9}, max_cpu_seconds=5)["cpu_seconds"] == (5, "setting")
    assert values()["cpu_seconds"] == (None, "setting")


def test_the_users_word_goes_over_both() -> None:
    found = values({"max_threads": 4}, ["one:threads=100", "two:threads=7", "*:memory_mb=1024"])
    assert found["threads"] == (100, "user")
    assert found["memory_mb"] == (1024, "user")
    assert values(given=["one:threads=3", "*:threads=9"])["threads"] == (3, "user")
    assert values({"max_cpu_seconds": 4}, ["one:cpu_seconds=0"])["cpu_seconds"] == (None, "user")
    assert values(given=["one:call_seconds=0.5"])["call_seconds"] == (0.5, "user")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("one:thread=3", "Did you mean threads?"),
        ("threads=3", "Write ID:NAME=NUMBER"),
        ("one:threads=0", "from 1 to 4096"),
        ("one:threads=1.5", "a whole number"),
        ("one:threads=-1", "Write ID:NAME=NUMBER"),
        ("One:threads=2", "Write ID:NAME=NUMBER"),
        ("one:threads=99999999999", "Write ID:NAME=NUMBER"),
    ],
)
def test_what_is_no_limit_is_refused_with_a_hint(text, says) -> None:
    with pytest.raises(ConfigError) as caught:
        PluginSystemConfig(limits=(text,))
    assert says in f"{caught.value.message} {caught.value.hint}"


@given(st.text(max_size=40))
def test_any_text_is_a_limit_or_a_config_error(text) -> None:
    with contextlib.suppress(ConfigError):
        assert given_limits([text])
