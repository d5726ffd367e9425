"""What a search means: every filter, every order, pages, and any input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import UsageError
from devkit_core.loading.offers import Found, Query
from devkit_core.loading.searching import SORTS, relevance, select


def found(identity, name=None, description="", tags=(), **facts):
    return Found(identity, name or identity, "1.0.0", description, "here", tuple(tags), facts)


#: the five plugins of the original's catalogue, as far as a search sees them
ORIGINAL = [
    found(
        "rust-analyzer-plus", "Rust Analyzer Plus", "Advanced Rust code analysis", ["rust", "analysis"],
        category="analysis", publisher={"verified": True}, updated_at="2024-01-05",
        licensing={"is_free": True}, stats={"rating": 4.8, "downloads": 15420},
    ),
    found(
        "typescript-guru", "TypeScript Guru", "Generates TypeScript", ["typescript"],
        category="generation", publisher={"verified": True}, updated_at="2024-01-04",
        licensing={"is_free": False, "pricing": {"base_price": 999}},
        stats={"rating": 4.6, "downloads": 8932},
    ),
    found(
        "python-formatter", "Python Formatter", "Formats Python, not Rust", ["python", "formatting"],
        category="formatting", publisher={"verified": True}, updated_at="2024-01-03",
        licensing={"is_free": True}, stats={"rating": 4.4, "downloads": 23156},
    ),
    found(
        "go-mod-helper", "Go Mod Helper", "Go modules", ["go"],
        category="tools", publisher={"verified": False}, updated_at="2024-01-02",
        licensing={"is_free": True}, stats={"rating": 4.2, "downloads": 5678},
    ),
    found(
        "ai-code-reviewer", "AI Code Reviewer", "Reviews code", ["ai", "analysis"],
        category="analysis", publisher={"verified": True}, updated_at="2024-01-01",
        licensing={"is_free": False, "pricing": {"base_price": 4999}},
        stats={"rating": 4.9, "downloads": 12450},
    ),
]  # fmt: skip
BARE = found("bare")


def ids(offered=ORIGINAL, **query):
    return [each.id for each in select(offered, Query(**query)).found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"text": "rust"}, ["rust-analyzer-plus", "python-formatter"]),
        ({"text": "RUST analy"}, ["rust-analyzer-plus"]),
        ({"text": "rust nothing"}, []),
        ({"category": "Analysis"}, ["ai-code-reviewer", "rust-analyzer-plus"]),
        ({"tags": ("GO", "python")}, ["go-mod-helper", "python-formatter"]),
        ({"free_only": True}, ["go-mod-helper", "python-formatter", "rust-analyzer-plus"]),
        ({"verified_only": True, "free_only": True}, ["python-formatter", "rust-analyzer-plus"]),
        ({"min_rating": 4.6}, ["ai-code-reviewer", "rust-analyzer-plus", "typescript-guru"]),
    ],
)
def test_filters(query, expected):
    found = ids(**query)
    assert (found if "text" in query else sorted(found)) == expected


def test_what_nobody_measured_passes_no_filter_that_asks_for_it():
    for filter_ in ({"min_rating": 0}, {"free_only": True}, {"verified_only": True}, {"category": "x"}):
        assert ids([BARE], **filter_) == []
    assert ids([BARE]) == ["bare"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("relevance", ["python-formatter", "rust-analyzer-plus", "ai-code-reviewer", "typescript-guru"]),
        ("downloads", ["python-formatter", "rust-analyzer-plus", "ai-code-reviewer", "typescript-guru"]),
        ("rating", ["ai-code-reviewer", "rust-analyzer-plus", "typescript-guru", "python-formatter"]),
        ("updated", ["rust-analyzer-plus", "typescript-guru", "python-formatter", "go-mod-helper"]),
        ("name", ["ai-code-reviewer", "bare", "go-mod-helper", "python-formatter"]),
        ("price", ["go-mod-helper", "python-formatter", "rust-analyzer-plus", "typescript-guru"]),
    ],
)
def test_the_six_orders(sort, expected):
    assert ids([*ORIGINAL, BARE], sort=sort)[:4] == expected
    assert set(SORTS) == {"relevance", "downloads", "rating", "updated", "name", "price"}


def test_a_word_counts_most_where_it_says_most():
    offered = [
        found("d", description="about rust"),
        found("c", tags=["rust"]),
        found("b", name="Rust B"),
        found("rust-a"),
        found("e", description="rusty"),
    ]
    assert ids(offered, text="rust") == ["rust-a", "b", "c", "d", "e"]


def test_downloads_decide_between_equals_and_the_id_between_the_rest():
    offered = [
        found("b"), found("a"), found("c", stats={"downloads": 3, "rating": 1}),
    ]  # fmt: skip
    assert ids(offered) == ["c", "a", "b"]


def test_pages():
    assert ids(sort="name", limit=2, offset=1) == ["go-mod-helper", "python-formatter"]
    assert select(ORIGINAL, Query(limit=1)).total == 5
    assert ids(offset=9) == []


def test_of_two_with_one_id_the_first_counts():
    (one,) = select([found("a", description="near"), found("a", description="far")], Query()).found
    assert one.description == "near"


@pytest.mark.parametrize("query", [{"sort": "size"}, {"limit": -1}, {"offset": -1}])
def test_what_makes_no_sense_is_refused(query):
    with pytest.raises(UsageError):
        select([], Query(**query))


junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(), inner),
)
plugins = st.builds(
    Found,
    st.text(max_size=5), st.text(max_size=5), st.just("1"), st.text(max_size=9), st.just("s"),
    st.lists(st.text(max_size=3)).map(tuple),
    st.dictionaries(st.sampled_from(["category", "stats", "licensing", "publisher", "updated_at"]), junk),
)  # fmt: skip


@given(
    st.lists(plugins, max_size=6),
    st.builds(
        Query, text=st.text(max_size=4), sort=st.sampled_from(list(SORTS)), limit=st.integers(0, 5),
        offset=st.integers(0, 5), free_only=st.booleans(), min_rating=st.none() | st.floats(0, 5),
    ),
)  # fmt: skip
def test_any_facts_are_searched(offered, query):
    result = select(offered, query)
    assert len(result.found) == min(query.limit, max(0, result.total - query.offset))
    assert all(relevance(each, query.text.casefold().split()) > 0 for each in result.found)
    everything = select(offered, Query(query.text, sort=query.sort, limit=100))
    assert [each.id for each in everything.found] == [
        each.id
        for each in select(reversed(everything.found), Query(query.text, sort=query.sort, limit=100)).found
    ]
