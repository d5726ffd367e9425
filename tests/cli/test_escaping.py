"""No text of a plugin's can move the cursor, change colours or reverse what is read."""

import re

from hypothesis import given
from hypothesis import strategies as st

from devkit_core.cli.escaping import UNSAFE, display_width, escape


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_unsafe_is_left(text: str) -> None:
    assert not re.search(UNSAFE, escape(text))
    assert not re.search(UNSAFE, escape(text, lines=True).replace("\n", ""))


@given(st.text("abc é日本\U0001f469\u200d"))
def test_ordinary_text_stays(text: str) -> None:
    assert escape(text) == text


def test_what_is_shown_instead() -> None:
    assert escape("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert escape("a\nb\tc\r") == "a\\nb\\tc\\r"
    assert escape("safe\u202egpj.exe") == "safe\\u202egpj.exe"
    assert escape("\U000e0041") == "\\U000e0041"
    assert escape("a\n\tb\x1b", lines=True) == "a\n    b\\x1b"


def test_display_width_counts_columns() -> None:
    assert display_width("abc") == 3
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1
