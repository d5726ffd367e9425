"""JSON and YAML give back the data they were made of."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devkit_core.cli.documents import as_json, as_yaml
from devkit_core.cli.escaping import UNSAFE

_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=()), max_size=20)
)
_DATA = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(_DATA)
def test_json_round_trip_and_nothing_unsafe(data: Any) -> None:
    text = as_json(data)
    assert json.loads(text) == data
    assert not re.search(UNSAFE, text.replace("\n", ""))


@given(_DATA)
def test_yaml_has_nothing_unsafe(data: Any) -> None:
    assert not re.search(UNSAFE, as_yaml(data).replace("\n", ""))


def read_yaml(text: str) -> Any:
    """Read the subset of YAML that `as_yaml` writes, by its own rules: an independent, tiny reader."""
    lines = [(len(line) - len(line.lstrip(" ")), line.strip(" ")) for line in text.splitlines()]

    def block(indent: int) -> Any:
        lead = lines[0][1]
        if lead.startswith("- ") or lead == "-":
            items = []
            while lines and lines[0][0] == indent and lines[0][1].startswith("-"):
                rest = lines[0][1][2:]
                lines[0] = (indent + 2, rest)
                items.append(block(indent + 2))
            return items
        key, rest = _key(lead)
        if key is None:
            lines.pop(0)
            return json.loads(lead)
        table: dict[str, Any] = {}
        while lines and lines[0][0] == indent:
            key, rest = _key(lines[0][1])
            assert key is not None
            lines.pop(0)
            table[key] = json.loads(rest) if rest else block(indent + 2)
        return table

    return block(0)


def _key(line: str) -> tuple[str | None, str]:
    if line.startswith('"'):
        key, end = json.JSONDecoder().raw_decode(line)
        return (key, line[end + 1 :].strip()) if line[end : end + 1] == ":" else (None, line)
    head, colon, rest = line.partition(":")
    return (head, rest.strip()) if colon and head.replace("_", "a").isalnum() else (None, line)


_TAME = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(max_codepoint=0x7E), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=0x7E), max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_TAME)
def test_yaml_round_trip(data: Any) -> None:
    assert read_yaml(as_yaml(data)) == data


def test_yaml_shape() -> None:
    data = {
        "schema": "x/1",
        "plugins": [{"id": "a", "tags": []}, {"id": "no", "count": 1.5}],
        "yes": None,
        "e": {},
    }
    assert as_yaml(data) == (
        'schema: "x/1"\n'
        "plugins:\n"
        '  - id: "a"\n'
        "    tags: []\n"
        '  - id: "no"\n'
        "    count: 1.5\n"
        '"yes": null\n'
        "e: {}\n"
    )


def test_numbers_that_json_lacks_become_null() -> None:
    assert json.loads(as_json({"a": float("nan"), "b": [float("inf")]})) == {"a": None, "b": [None]}
