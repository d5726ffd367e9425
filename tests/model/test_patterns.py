"""Patterns agree with `re` where both know them, and no text takes long."""

import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit_core.model.patterns import MAX_PATTERN, PatternError, compile_pattern

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", "1"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join).map("({})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}", "{,}"[:0]])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(PATTERNS, st.text("ab1.", max_size=8))
def test_it_agrees_with_re(pattern: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = re.fullmatch(pattern, text, re.DOTALL) is not None
    assert compile_pattern(pattern).matches(text) is expected


@settings(max_examples=300, deadline=None)
@given(st.text(r"ab1[]()|*+?{}\.^$,-", max_size=20), st.text("ab1", max_size=5))
def test_any_text_is_taken_or_refused(pattern: str, text: str) -> None:
    try:
        compile_pattern(pattern).matches(text)
    except PatternError:
        return


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a" * (MAX_PATTERN + 1), "at most"),
        ("(?=a)", "looks around"),
        (r"(a)\1", "isn't known"),
        ("a**", "after a quantifier"),
        ("*a", "nothing before"),
        ("a(b", "without"),
        ("a)", "without"),
        ("[a", r"no `\]`"),
        ("[a--b]", "doubled"),
        ("a{3,1}", "from more"),
        ("a{x}", "no `{m}`"),
        ("a^b", "inside"),
        ("a\\", "backslash"),
        ("((a{99}){99}){99}", "too much"),
        ("[z-a]", "class"),
        ("(" * 21 + ")" * 21, "20 groups"),
    ],
)
def test_what_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|aa)+b", "(a|a?)+b", ".*.*.*.*.*.*b", "(.*a){20}b"])
def test_what_takes_others_for_ever_ends(pattern: str) -> None:
    assert not compile_pattern(pattern).matches("a" * 1000)


def test_anchors_change_nothing_and_long_texts_never_match() -> None:
    assert compile_pattern("^a+$").matches("aaa")
    assert compile_pattern(r"a\$").matches("a$")
    assert not compile_pattern("a*").matches("a" * 1001)
