"""Settings are described without contradictions, and values keep what the description says."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import ConfigError, ManifestError
from devkit_core.model.config_fields import ConfigField, check_values
from devkit_core.model.manifest import parse
from devkit_core.model.plugin_config import Layer, Origin, assemble, field_at, from_text

HEAD = """[metadata]
id = "tuned"
name = "Tuned"
version = "1.0.0"
description = "d"
author = "a"
entry_point = "plugin.py"
"""
SCHEMA = """
[config.name]
type = "string"
min_length = 2
max_length = 5
pattern = "[a-z]+"
[config.size]
type = "integer"
default = 3
min = 1
max = 9
[config.ratio]
type = "number"
[config.on]
type = "boolean"
[config.mode]
type = "string"
allowed_values = ["fast", "safe"]
[config.tags]
type = "array"
max_length = 3
items = { type = "string", max_length = 4 }
[config.server]
type = "table"
fields.host = { type = "string", required = true }
fields.port = { type = "integer", default = 443 }
[config.free]
type = "table"
[config.token]
type = "string"
secret = true
"""


def fields(text: str = SCHEMA) -> Any:
    return parse((HEAD + text).encode()).manifest.config


def given_as(**values: Any) -> list[Layer]:
    return [Layer(values, lambda _: Origin("runtime"))]


@pytest.mark.parametrize(
    ("values", "path", "message"),
    [
        ({"name": 3}, "name", "must be a string, not an integer"),
        ({"name": "a"}, "name", "fewer than 2"),
        ({"name": "abcdef"}, "name", "more than 5"),
        ({"name": "ABC"}, "name", "pattern"),
        ({"size": 0}, "size", "less than 1"),
        ({"size": 10}, "size", "greater than 9"),
        ({"size": True}, "size", "not a boolean"),
        ({"size": 1.0}, "size", "must be an integer"),
        ({"size": 2**70}, "size", "64 bits"),
        ({"ratio": math.nan}, "ratio", "must be a number"),
        ({"on": 1}, "on", "true or false"),
        ({"mode": "slow"}, "mode", "none of the values"),
        ({"tags": ["a"] * 4}, "tags", "more than 3 entries"),
        ({"tags": ["a", "abcde"]}, "tags[1]", "more than 4"),
        ({"server": {"hots": "x"}}, "server.hots", "no setting"),
        ({"server": {"host": "x", "port": "y"}}, "server.port", "must be an integer"),
        ({"server": {}}, "server.host", "is missing"),
        ({"free": {"a": object()}}, "free", "neither TOML nor JSON"),
        ({"free": {"a": "\ud800"}}, "free", "neither TOML nor JSON"),
        ({"nmae": "x"}, "nmae", "no setting"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(values: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        assemble("tuned", fields(), given_as(**values))
    (problem,) = refused.value.problems
    assert problem.message.startswith(f"`{path}`")
    assert problem.place is None or problem.place.key in (path, None)


def test_all_problems_come_together_and_never_show_a_value() -> None:
    with pytest.raises(ConfigError) as refused:
        assemble("tuned", fields(), given_as(token=4711, size=99, mode="hunter2"))
    assert len(refused.value.problems) == 3
    assert "hunter2" not in repr(refused.value.problems)
    assert "4711" not in repr(refused.value.problems)


def test_layers_and_defaults() -> None:
    layers = [
        *given_as(server={"host": "a", "port": 1}, free={"x": 1}, size=4),
        *given_as(server={"port": 2}, free={"y": 2}),
    ]
    config = assemble("tuned", fields(), layers)
    assert config.values == {"size": 4, "server": {"host": "a", "port": 2}, "free": {"y": 2}}
    assert assemble("tuned", fields(), []).values == {"size": 3}
    assert assemble("tuned", fields(), given_as(server={"host": "b"})).values["server"]["port"] == 443


def test_secrets_are_hidden() -> None:
    config = assemble("tuned", fields(), given_as(token="hunter2"))
    assert config.values["token"] == "hunter2"
    assert config.shown() == {"size": 3, "token": "***"}
    assert "hunter2" not in repr(config)


def test_too_much_is_refused() -> None:
    with pytest.raises(ConfigError, match="bytes"):
        assemble("tuned", fields(), given_as(token="x" * (512 * 1024)))


def test_deep_values_are_refused() -> None:
    value: Any = {}
    for _ in range(2000):
        value = {"a": value}
    with pytest.raises(ConfigError, match="too deep"):
        assemble("tuned", fields(), given_as(free=value))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("name", "ab", "ab"),
        ("size", " 4 ", 4),
        ("ratio", "0.5", 0.5),
        ("ratio", "2", 2),
        ("on", "True", True),
        ("tags", "a, b", ["a", "b"]),
        ("tags", '["a,b"]', ["a,b"]),
        ("tags", "", []),
        ("server", '{"port": 1}', {"port": 1}),
        ("server.port", "8", 8),
    ],
)
def test_texts_are_read_by_type(key: str, text: str, value: Any) -> None:
    which = field_at(fields(), key)
    assert which is not None
    read = from_text(which, text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize("kind", ["integer", "number", "boolean", "array", "table"])
@given(text=st.text())
def test_any_text_is_read_or_refused_without_showing_it(kind: str, text: str) -> None:
    wanted = ConfigField(type=kind)
    try:
        value = from_text(wanted, text)
    except ValueError as error:
        told = str(error)
    else:
        told = "must be"
        assert isinstance(value, int | float | list | dict)
    assert told.startswith("must be")


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
)
def test_any_values_are_checked(values: dict[str, Any]) -> None:
    for fault in check_values(fields(), values):
        assert fault.message


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ('type = "strin"', "did you mean|none of string"),
        ('type = "string"\nmin = 1', "has no meaning for a string"),
        ('type = "integer"\npattern = "a"', "has no meaning"),
        ('type = "integer"\nmin = 3\nmax = 2', "is greater than `max`"),
        ('type = "string"\npattern = "(?=a)"', "looks around"),
        ('type = "string"\nsecret = true\ndefault = "x"', "everybody can read"),
        ('type = "string"\nrequired = true\ndefault = "x"', "no effect beside a default"),
        ('type = "integer"\ndefault = "x"', "must be an integer"),
        ('type = "integer"\nmax = 2\ndefault = 3', "greater than 2"),
        ('type = "integer"\nallowed_values = ["x"]', "must be an integer"),
        ('type = "string"\nitems = {type = "string"}', "has no meaning"),
        ('type = "array"\nitems = {type = "string", default = "x"}', "entries of an array"),
        ('type = "table"\nfields.a = {type = "string", secret = true}', "whole settings"),
        ('type = "string"\ndefault = 2024-01-01', "is a date"),
        ('type = "string"\nmni_length = 1', "no known key"),
        ("default = 1", "is missing"),
    ],
)
def test_contradictions_in_a_manifest(schema: str, message: str) -> None:
    with pytest.raises(ManifestError) as refused:
        fields(f"[config.key]\n{schema}\n")
    import re

    assert any(re.search(message, problem.message) for problem in refused.value.problems)
    assert all(problem.place and problem.place.line for problem in refused.value.problems)


@pytest.mark.parametrize("key", ["Key", "a__b", "_a", "a_", "1a", "a-b", "a" * 65])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(ManifestError):
        fields(f'[config.{key}]\ntype = "string"\n')
