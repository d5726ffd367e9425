import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

PLUGIN = "json-tools"

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def execute(module):
    return lambda request: module("plugin").execute(
        request if isinstance(request, str) else json.dumps(request)
    )


@pytest.fixture(scope="module")
def read(module):
    return module("document").read


@pytest.fixture(scope="module")
def frozen(module):
    return module("document").frozen


# reading and writing


@given(values, st.integers(0, 8), st.booleans())
def test_formatting_keeps_the_value(module, value, indent, sort_keys):
    document = module("document")
    text = document.write(document.read(json.dumps(value)), indent, sort_keys)
    assert json.loads(text) == value
    assert document.write(document.read(text), indent, sort_keys) == text
    assert ("\n" in text) <= (indent > 0)


@given(values)
def test_formatting_is_what_json_writes(module, value):
    document = module("document")
    for indent in (2, 0):
        expected = json.dumps(value, indent=indent or None, ensure_ascii=False)
        assert document.write(value, indent).encode() == expected.encode()


@pytest.mark.parametrize(
    "number", ["1.10", "-0", "-0.0", "1e400", "1E+2", "123456789012345678901234567890", "9" * 5000]
)
def test_numbers_stay_as_they_are(execute, number):
    assert execute(f"[{number}]") == f"[\n  {number}\n]"


def test_half_a_surrogate_pair_stays_an_escape(execute):
    assert execute(r'["\ud800", "\u00e9"]') == '[\n  "\\ud800",\n  "é"\n]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ("[1,\n 2 3]", "line 2, column 4"),
        ("[NaN]", "NaN"),
        ('{"a": 1, "a": 2}', 'the name "a" twice'),
        ("[" * 201 + "]" * 201, "nested deeper than 200"),
        ("[" * 100_000, "nested deeper than 200"),
        ("[1e99999999999999999999]", "out of range"),
    ],
)
def test_what_is_not_a_document(execute, module, text, message):
    with pytest.raises(module("document").JsonError, match=message):
        execute(text)


def test_the_deepest_document(execute):
    text = "[" * 200 + "]" * 200
    assert execute(text).count("[") == 200


def test_equality_is_jsons(read, frozen):
    assert frozen(read("[1, 1.0, 1e0]")) == frozen(read("[1.0, 1, 10e-1]"))
    assert frozen(read("1")) != frozen(read("true"))
    assert frozen(read("1e400")) != frozen(read("1e401"))
    assert frozen(read('{"a": 1, "b": 2}')) == frozen(read('{"b": 2, "a": 1}'))
    assert frozen(read("[]")) != frozen(read("{}"))


# requests


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"op": "format"}, '"format" needs either "value" or "value_text"'),
        ({"op": "format", "value": 1, "value_text": "1"}, "needs either"),
        ({"op": "format", "value_text": 1}, "is a string of JSON"),
        ({"op": "format", "value": 1, "indent": True}, "from 0 to 16"),
        ({"op": "format", "value": 1, "indent": 17}, "from 0 to 16"),
        ({"op": "format", "value": 1, "sort_keys": 1}, "true or false"),
        ({"op": "query", "value": 1}, 'needs a "path"'),
        ({"op": "query", "value": 1, "path": "$", "pats": True}, 'knows no "pats"'),
        ({"op": "diff", "before": 1}, 'needs either "after"'),
        ({"op": "diff", "before": 1, "after_text": "{"}, "line 1, column 2"),
    ],
)
def test_requests_that_mean_nothing(execute, request_, message):
    with pytest.raises(ValueError, match=message):
        execute(request_)


def test_an_object_with_another_op_is_a_document(execute):
    assert json.loads(execute('{"op": "add", "path": "/a"}')) == {"op": "add", "path": "/a"}
    assert json.loads(execute('{"op": ["format"]}')) == {"op": ["format"]}


# diff


def patched(document, patch, frozen):
    """Apply add, remove and replace by RFC 6902, as a reader of the patch would."""
    for step in patch:
        assert set(step) == ({"op", "path"} if step["op"] == "remove" else {"op", "path", "value"})
        if not step["path"]:
            assert step["op"] == "replace"
            document = step["value"]
            continue
        *tokens, last = [t.replace("~1", "/").replace("~0", "~") for t in step["path"][1:].split("/")]
        target = document
        for token in tokens:
            target = target[int(token) if isinstance(target, list) else token]
        if isinstance(target, list):
            index = int(last)
            assert 0 <= index < len(target) + (step["op"] == "add")
            if step["op"] == "add":
                target.insert(index, step["value"])
            elif step["op"] == "remove":
                del target[index]
            else:
                target[index] = step["value"]
        else:
            assert (last in target) == (step["op"] != "add")
            if step["op"] == "remove":
                del target[last]
            else:
                target[last] = step["value"]
    return frozen(document)


def check(module, before, after):
    read, frozen = module("document").read, module("document").frozen
    before, after = json.dumps(before), json.dumps(after)
    patch = module("diff").diff(read(before), read(after))
    text = module("document").write(patch)  # what a reader gets shares nothing with our documents
    assert patched(read(before), read(text), frozen) == frozen(read(after))
    assert bool(patch) == (frozen(read(before)) != frozen(read(after)))
    return patch


@given(values, values)
def test_a_patch_turns_one_into_the_other(module, before, after):
    check(module, before, after)


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_arrays(module, before, after):
    check(module, before, after)


@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=8))
def test_long_arrays_by_position(module, before, after):
    diff = module("diff")
    bound, diff.LCS_PAIRS = diff.LCS_PAIRS, 0
    try:
        check(module, before, after)
    finally:
        diff.LCS_PAIRS = bound


@given(st.data())
def test_a_small_change_gives_a_small_patch(module, data):
    before = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=20))
    after = list(before)
    after.insert(data.draw(st.integers(0, len(before))), 9)
    assert len(check(module, before, after)) == 1
    assert len(check(module, after, before)) == 1


def test_a_change_within_an_element_stays_within(module):
    before = [{"id": 1, "x": 1}, {"id": 2, "x": 1}]
    after = [{"id": 0}, {"id": 1, "x": 1}, {"id": 2, "x": 2}]
    assert check(module, before, after) == [
        {"op": "add", "path": "/0", "value": {"id": 0}},
        {"op": "replace", "path": "/2/x", "value": 2},
    ]


def test_names_are_escaped(module):
    assert check(module, {"a/b": 1, "m~n": 1, "": 1}, {}) == [
        {"op": "remove", "path": "/a~1b"},
        {"op": "remove", "path": "/m~0n"},
        {"op": "remove", "path": "/"},
    ]


def test_types_that_python_mixes_up(module):
    for before, after in [(0, False), (1, True), (None, 0), ([], {}), ("1", 1), ([0], [False])]:
        assert check(module, before, after)
