"""JSONPath by RFC 9535: its own examples, its rules, and paths that are no paths."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLUGIN = "json-tools"

STORE = {
    "store": {
        "book": [
            {
                "category": "reference",
                "author": "Nigel Rees",
                "title": "Sayings of the Century",
                "price": 8.95,
            },
            {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
            {
                "category": "fiction",
                "author": "Herman Melville",
                "title": "Moby Dick",
                "isbn": "1",
                "price": 8.99,
            },
            {
                "category": "fiction",
                "author": "J. R. R. Tolkien",
                "title": "Rings",
                "isbn": "2",
                "price": 22.99,
            },
        ],
        "bicycle": {"color": "red", "price": 399},
    }
}
FILTERED = {
    "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
    "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
    "e": "f",
}


@pytest.fixture(scope="module")
def select(module):
    """Select by a path; gives the values as plain Python."""

    def select(path, document):
        nodes = module("query").query(path, module("document").read(json.dumps(document)))
        return [json.loads(module("document").write(node.value)) for node in nodes]

    return select


@pytest.fixture(scope="module")
def paths(module):
    return lambda path, document: [node.path for node in module("query").query(path, document)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.store.book[*].author", ["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]),
        ("$..author", ["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]),
        ("$.store.*", [STORE["store"]["book"], STORE["store"]["bicycle"]]),
        ("$.store..price", [8.95, 12.99, 8.99, 22.99, 399]),
        ("$..book[2].title", ["Moby Dick"]),
        ("$..book[-1].title", ["Rings"]),
        ("$..book[0,1].price", [8.95, 12.99]),
        ("$..book[:2].price", [8.95, 12.99]),
        ("$..book[?@.isbn].isbn", ["1", "2"]),
        ("$..book[?@.price<10].title", ["Sayings of the Century", "Moby Dick"]),
        ("$.store.bicycle['color']", ["red"]),
        ('$ ["store"]\n.bicycle [ "color" ]', ["red"]),
    ],
)
def test_the_book_store(select, path, expected):
    assert select(path, STORE) == expected


LETTERS = ["a", "b", "c", "d", "e", "f", "g"]


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        ("$[1:3]", LETTERS, ["b", "c"]),
        ("$[5:]", LETTERS, ["f", "g"]),
        ("$[1:5:2]", LETTERS, ["b", "d"]),
        ("$[5:1:-2]", LETTERS, ["f", "d"]),
        ("$[::-1]", LETTERS, LETTERS[::-1]),
        ("$[ : : ]", LETTERS, LETTERS),
        ("$[::0]", LETTERS, []),
        ("$[-2:]", LETTERS, ["f", "g"]),
        ("$[10:0:-3]", LETTERS, ["g", "d"]),
        ("$[7]", LETTERS, []),
        ("$[-8]", LETTERS, []),
        ("$[0]", {"0": 1}, []),
        ("$['0']", {"0": 1}, [1]),
        ("$[0, 0]", LETTERS, ["a", "a"]),
        ("$[*, 1]", [1, 2], [1, 2, 2]),
        ("$.*", "text", []),
        ("$..[0]", [[1], {"a": [2]}], [[1], 1, 2]),
        ("$..*", {"a": [{"b": 1}]}, [[{"b": 1}], {"b": 1}, 1]),
        ("$..['a','d']", [{"a": 1, "d": {"a": 2}}], [1, {"a": 2}, 2]),
        ("$.☺", {"☺": 1}, [1]),
        (r"""$["\u263a\"'"]""", {"☺\"'": 1}, [1]),
        (r"""$['\ud83d\ude00\'']""", {"😀'": 1}, [1]),
        ("$", 5, [5]),
    ],
)
def test_selectors(select, path, document, expected):
    assert select(path, document) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a[?@.b == 'kilo']", [{"b": "kilo"}]),
        ("$.a[?(@.b == 'kilo')]", [{"b": "kilo"}]),
        ("$.a[?@>3.5]", [5, 4, 6]),
        ("$.a[?@.b]", [{"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}]),
        ("$[?@.*]", [FILTERED["a"], FILTERED["o"]]),
        ("$[?@[?@.b]]", [FILTERED["a"]]),
        ("$.o[?@<3, ?@<3]", [1, 2, 1, 2]),
        ('$.a[?@<2 || @.b == "k"]', [1, {"b": "k"}]),
        ("$.o[?@>1 && @<4]", [2, 3]),
        ("$.o[?@.u || @.x]", [{"u": 6}]),
        ("$.a[?@.b == $.x]", [3, 5, 1, 2, 4, 6]),
        ("$.a[?@ == @]", FILTERED["a"]),
        ("$.a[?!@.b && @ >= 5]", [5, 6]),
        ("$.a[?!(@.b || @ < 5)]", [5, 6]),
        ("$.a[?length(@.b) > 1]", [{"b": "kilo"}]),
        ("$[?count(@.*) == 5].p", [1]),
        ("$.o[?value(@..u) == 6]", [{"u": 6}]),
        ("$.a[?length(@) == 1 && length(@.b) != 1]", [{"b": {}}, {"b": "kilo"}]),
    ],
)
def test_filters(select, path, expected):
    assert select(path, FILTERED) == expected


COMPARED = {"obj": {"x": "y"}, "arr": [2, 3], "zero": 0}


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ("$.absent1 == $.absent2", True),
        ("$.absent1 <= $.absent2", True),
        ("$.absent == 'g'", False),
        ("$.absent1 != $.absent2", False),
        ("$.absent != 'g'", True),
        ("1 <= 2", True),
        ("1 > 2", False),
        ("13 == '13'", False),
        ("'a' <= 'b'", True),
        ("'a' > 'b'", False),
        ("$.obj == $.arr", False),
        ("$.obj != $.arr", True),
        ("$.obj == $.obj", True),
        ("$.arr == $.arr", True),
        ("$.obj == 17", False),
        ("$.obj <= $.arr", False),
        ("$.obj < $.arr", False),
        ("$.obj <= $.obj", True),
        ("1 <= $.arr", False),
        ("1 >= $.arr", False),
        ("true <= true", True),
        ("true > true", False),
        ("1 == true", False),
        ("$.zero == false", False),
        ("1 == 1.0", True),
        ("1e2 == 100", True),
        ("-0 == 0", True),
        ("null == $.absent", False),
    ],
)
def test_comparisons(select, comparison, holds):
    assert bool(select(f"$[?{comparison}]", COMPARED)) is holds


def test_a_value_that_counts_as_false_exists(select):
    assert select("$[?@.a]", [{"a": 0}, {"a": None}, {"a": ""}, {"a": False}, {}]) == [
        {"a": 0},
        {"a": None},
        {"a": ""},
        {"a": False},
    ]


def test_normalized_paths(paths):
    document = {"a": [1, {"'\\\n\u0001é": 2}]}
    assert paths("$..*", document) == ["$['a']", "$['a'][0]", "$['a'][1]", r"$['a'][1]['\'\\\n\u0001é']"]
    assert paths("$.a[-1]", document) == ["$['a'][1]"]


def test_a_normalized_path_selects_its_node_alone(module):
    query = module("query").query
    document = {"a b": [{"'": {"\\": [0]}}, ["\n"]], "☺\x7f": {"": []}}
    for node in query("$..*", document):
        (found,) = query(node.path, document)
        assert found.value is node.value


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ("", 1),
        ("a", 1),
        (" $", 1),
        ("$ ", 2),
        ("$.", 3),
        ("$. a", 3),
        ("$...a", 4),
        ("$.1", 3),
        ("$[", 3),
        ("$[]", 3),
        ("$[1,]", 5),
        ("$[a]", 3),
        ("$[01]", 4),
        ("$[-0]", 3),
        ("$[1.0]", 4),
        ("$[9007199254740992]", 3),
        ("$[1:2:3:4]", 8),
        ("$['a]", 3),
        ("$['\n']", 4),
        (r"$['\x']", 4),
        (r"$['\u12']", 4),
        (r"$['\ud800']", 4),
        (r"$['\"']", 4),
        ("$[?]", 4),
        ("$[?1]", 4),
        ("$[?true]", 4),
        ("$[?@.* == 1]", 4),
        ("$[?1 == @..a]", 9),
        ("$[?@ = 1]", 6),
        ("$[?(@.a]", 8),
        ("$[?!@.a == 1]", 9),
        ("$[?@ == 01]", 10),
        ("$[?length(@.a)]", 4),
        ("$[?length(@.*) == 1]", 11),
        ("$[?count(1) == 1]", 10),
        ("$[?count(@.a, 1) == 1]", 13),
        ("$[?length () == 1]", 4),
        ("$[?size(@) == 1]", 4),
        ("$[?match(@.a, 'x')]", 4),
        ("$[?" + "(" * 60 + "@" + ")" * 60 + "]", 54),
    ],
)
def test_what_is_no_path(select, module, path, position):
    with pytest.raises(module("jsonpath").PathError, match=f"at character {position} of ") as caught:
        select(path, {})
    assert caught.value.position == position


@given(st.text(alphabet=st.sampled_from("$@.[]?()'\"\\*:,!=<>&|ab01-e \nlength"), max_size=25))
def test_any_text_is_a_path_or_an_error_with_its_place(module, text):
    position = 1
    try:
        module("query").query("$" + text, FILTERED)
    except module("jsonpath").PathError as error:
        position = error.position
    assert 1 <= position <= len(text) + 2


def test_a_path_without_end_is_stopped(module, monkeypatch):
    monkeypatch.setattr(module("query"), "MAX_VISITS", 1000)
    assert len(module("query").query("$..*", [[0] * 10] * 10)) == 110
    with pytest.raises(module("document").JsonError, match="visits more than 1000"):
        module("query").query("$..*..*..*", [[[0] * 10] * 10] * 10)
