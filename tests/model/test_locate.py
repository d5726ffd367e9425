"""Positions of TOML keys, held against tomllib on generated documents."""

import tomllib
from typing import Any

from hypothesis import given, reject
from hypothesis import strategies as st

from devkit_core.model.locate import KeyPath, line_and_column, locate, string_end

SCALARS = [
    "1", "-1.5e3", "true", "0xdead_beef", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00",
    '""', "''", '"a#]}\\"=\\\\"', "'l[it\\'", '"""m\n"" ] # \\""""', '""""q"""""',
    "'''x\n''y]'''", "''''z'''''",
    '"""a\\\n   b"""', '"\\u00e9,\\n"', "'\u00e9\U0001f600'",
]  # fmt: skip
VALUES = {rendering: tomllib.loads(f"v={rendering}")["v"] for rendering in SCALARS}
KEYS = {"a": "a", "b-1": "b-1", '"a.b"': "a.b", "'c d'": "c d", '"q\\"]"': 'q"]', "1": "1", '""': ""}

gaps = st.sampled_from(["", " ", "\t"])
breaks = st.sampled_from(["", " ", "\n", " # ]}'\"\n", "\n\n  "])
keys = st.sampled_from(list(KEYS))


@st.composite
def dotted_keys(draw: st.DrawFn, first: str | None = None) -> str:
    parts = draw(st.lists(keys, min_size=0 if first else 1, max_size=2))
    return (draw(gaps) + "." + draw(gaps)).join([first, *parts] if first else parts)


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    text = "["
    drawn = draw(st.lists(items, max_size=3))
    for number, item in enumerate(drawn):
        text += draw(breaks) + item + draw(breaks)
        if number < len(drawn) - 1 or draw(st.booleans()):
            text += ","
    return text + draw(breaks) + "]"


@st.composite
def inline_tables(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    drawn = draw(st.lists(items, max_size=3))
    pairs = [
        f"{draw(gaps)}{draw(dotted_keys(f'i{n}'))} ={draw(gaps)}{v}{draw(gaps)}" for n, v in enumerate(drawn)
    ]
    return "{" + ",".join(pairs) + "}"


values = st.recursive(
    st.sampled_from(SCALARS), lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = ""
    number = 0
    headers = draw(st.lists(dotted_keys(), max_size=5))
    for header in [None, *headers]:
        if header is not None:
            left, right = draw(st.sampled_from([("[", "]"), ("[[", "]]"), ("[ ", "\t]")]))
            text += f"{draw(gaps)}{left}{header}{right}{draw(st.sampled_from(['', ' # [x]']))}\n"
        for value in draw(st.lists(values, max_size=3)):
            number += 1
            key = draw(dotted_keys(f"k{number}"))
            text += f"{draw(gaps)}{key}{draw(gaps)}={draw(gaps)}{value}\n{draw(breaks)}\n"
    return text


def walk(value: Any, path: KeyPath = ()) -> dict[KeyPath, Any]:
    found: dict[KeyPath, Any] = {path: value} if path else {}
    if isinstance(value, dict):
        for key, item in value.items():
            found |= walk(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found |= walk(item, (*path, number))
    return found


@given(documents())
def test_every_key_is_found_where_it_stands(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        reject()
    spots = locate(text)
    expected = walk(document)
    assert set(spots) == set(expected)
    for path, value in expected.items():
        spot = spots[path]
        if not isinstance(value, dict | list):
            renderings = [text_of for text_of, is_value in VALUES.items() if same(is_value, value)]
            assert text.startswith(tuple(renderings), spot.value)
        name = path[-1]
        if isinstance(name, str):
            written = tuple(k for k, v in KEYS.items() if v == name) or (name,)
            assert text[spot.key] == "[" or text.startswith(written, spot.key)


def same(a: object, b: object) -> bool:
    return type(a) is type(b) and a == b


def test_lines_and_columns_count_from_one_in_characters() -> None:
    text = "a = 1\n\u00e9\U0001f600 = 2\n"
    assert line_and_column(text, 0) == (1, 1)
    assert line_and_column(text, text.index("= 2")) == (2, 4)


def test_repeated_tables_keep_their_own_lines() -> None:
    text = "[[a]]\nx = 1\n[[a.b]]\n[[a.b]]\ny = 1\n[[a]]\n[[a.b]]\ny = 2\n[a.c]\n"
    spots = locate(text)
    lines = {path: line_and_column(text, spot.key)[0] for path, spot in spots.items()}
    assert lines[("a", 0, "x")] == 2
    assert lines[("a", 0, "b", 1, "y")] == 5
    assert lines[("a", 1, "b", 0, "y")] == 8
    assert lines[("a", 1, "c")] == 9


@given(st.text(alphabet="\"'\\a\n", max_size=30))
def test_a_string_ends_somewhere_in_the_text(text: str) -> None:
    for quote in "\"'":
        assert 0 < string_end(quote + text, 0) <= len(text) + 1
