"""Schemas check as JSON Schema 2020-12 says, say where and why not, and never take for ever."""

import contextlib
import json
import time

import jsonschema
import pytest
import referencing
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.model.json_schema import Schema, TooMuchWork, faults, json_path

NODE = {"$ref": "#/$defs/n"}


def miss(schema, value):
    """Where a value misses a schema, as (path, expected, got), or None."""
    assert [each for each in faults(schema) if not each.warning] == []
    found = Schema(schema).check(value, len(json.dumps(value)))
    return found and (json_path(found.path), found.expected, found.got)


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        (True, 1, None),
        (False, 1, ("$", "nothing", "1")),
        ({}, None, None),
        ({"type": "integer"}, 1.0, None),
        ({"type": "integer"}, 1.5, ("$", "an integer", "1.5")),
        ({"type": "integer"}, True, ("$", "an integer", "true")),
        ({"type": "number"}, 10**400, None),
        ({"type": ["string", "null"]}, 1, ("$", "a string or null", "1")),
        ({"type": "array", "items": {"type": "integer"}}, [1, 2.0, 3], None),
        ({"items": {"type": "integer"}}, [1, "2"], ("$[1]", "an integer", '"2"')),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a", 1], ("$[1]", "nothing", "1")),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1.0], ("$", "at most 1 entries that are 1", "2")),
        ({"contains": {"type": "null"}}, [1], ("$", "at least 1 entries that are null", "0")),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}], None),
        ({"uniqueItems": True}, [[1], [1.0]], ("$[1]", "an entry that isn't there before", "an array of 1")),
        ({"required": ["a"], "properties": {"a": {"type": "string"}}}, {}, ("$.a", "a string", "nothing")),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"b c": 1},
            ('$["b c"]', "one of the keys a", "another"),
        ),
        ({"additionalProperties": {"type": "null"}}, {"b": 1}, ("$.b", "null", "1")),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"ax": 1, "xa": 1}, ("$.xa", "null", "1")),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, ("$.ab", "a key that is at most 1 characters", "2")),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, ("$.b", "a value", "nothing")),
        ({"dependentSchemas": {"a": {"maxProperties": 1}}}, {"a": 1, "b": 2}, ("$", "at most 1 keys", "2")),
        ({"enum": ["a", 1]}, True, ("$", 'one of "a", 1', "true")),
        ({"const": {"a": [1]}}, {"a": [1.0]}, None),
        ({"minLength": 2}, "é", ("$", "at least 2 characters", "1")),
        ({"pattern": "^[a-z]+$"}, "a1", ("$", 'text that matches "^[a-z]+$"', '"a1"')),
        ({"pattern": "b"}, "abc", None),
        ({"minimum": 0, "exclusiveMaximum": 1}, 1, ("$", "less than 1", "1")),
        ({"multipleOf": 0.1}, 0.3, None),
        ({"multipleOf": 2}, 3, ("$", "a multiple of 2", "3")),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, ("$", "a string or null", "1")),
        (
            {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "null"}}}]},
            {"a": 1},
            ("$.a", "null", "1"),
        ),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 1.5, None),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 0}]},
            1,
            ("$", "what fits one of the allowed forms alone", "1, which fits two"),
        ),
        ({"not": {"type": "null"}}, None, ("$", "anything but null", "null")),
        ({"if": {"type": "string"}, "then": False, "else": {"minimum": 1}}, 0, ("$", "at least 1", "0")),
        ({"$ref": "#/$defs/a~1b/%24x", "$defs": {"a/b": {"$x": {"type": "null"}}}}, 1, ("$", "null", "1")),
        (
            {"type": "object", "properties": {"next": {"$ref": "#"}}},
            {"next": {"next": 1}},
            ("$.next.next", "an object", "1"),
        ),
    ],
)  # fmt: skip
def test_what_a_schema_demands(schema, value, found):
    assert miss(schema, value) == found


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        (3, (), "must be a schema"),
        ({"type": "strin"}, ("type",), "is no type of JSON"),
        ({"type": []}, ("type",), "allows nothing"),
        ({"properties": {"a": 3}}, ("properties", "a"), "must be a schema"),
        ({"properties": 3}, ("properties",), "must be a table"),
        ({"required": "a"}, ("required",), "must be an array of strings"),
        ({"enum": []}, ("enum",), "must be an array with one value"),
        ({"minLength": -1}, ("minLength",), "must be an integer, 0 or more"),
        ({"minimum": "1"}, ("minimum",), "must be a number"),
        ({"multipleOf": 0}, ("multipleOf",), "must be more than 0"),
        ({"anyOf": []}, ("anyOf",), "must be an array of schemas"),
        ({"uniqueItems": 1}, ("uniqueItems",), "must be true or false"),
        ({"$defs": {"a": {"type": "x"}}}, ("$defs", "a", "type"), "is no type of JSON"),
        ({"$defs": 1}, ("$defs",), "must be a table of schemas"),
        ({"$ref": "http://example.org/x"}, ("$ref",), "leads out of the schema"),
        ({"$ref": "#/$defs/no"}, ("$ref",), "leads nowhere"),
        ({"$ref": "#"}, (), "refers to itself"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#"}}}, (), "refers to itself"),
        ({"$id": "x"}, ("$id",), "isn't supported"),
        ({"unevaluatedProperties": False}, ("unevaluatedProperties",), "isn't supported"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, ("$schema",), "names another dialect"),
        ({"pattern": "(?=a)"}, ("pattern",), "looks around"),
        ({"pattern": "(a"}, ("pattern",), "has a `(` without its `)`"),
        ({"pattern": "a)(b"}, ("pattern",), "has a `)` without its `(`"),
        ({"pattern": "^a|b$"}, ("pattern",), "has `^` or `$` beside `|`"),
        ({"pattern": "(a{1000}){1000}"}, ("pattern",), "repeats too much"),
        ({"patternProperties": {"[": {}}}, ("patternProperties", "["), "has a `[`"),
        ({"requird": ["a"]}, ("requird",), "is no keyword"),
    ],
)
def test_what_is_wrong_with_a_schema(schema, path, message):
    assert (path, message) in [(each.path, each.message[: len(message)]) for each in faults(schema)]


def test_what_is_too_large():
    deep = {}
    for _ in range(100):
        deep = {"not": deep}
    assert any("nested too deep" in each.message for each in faults(deep))
    many = {"properties": {f"k{number}": {} for number in range(3000)}}
    assert any("more than 2,000 schemas" in each.message for each in faults(many))


def nested(depth):
    value = 3
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_a_schema_whose_work_doubles_is_given_up(word):
    schema = {"$defs": {"n": {"type": "object", word: [{"properties": {"a": NODE}}] * 2}}, **NODE}
    with pytest.raises(TooMuchWork):
        Schema(schema).check(nested(100), 1000)


def test_a_chain_of_references_whose_work_doubles_is_given_up():
    definitions = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    schema = {"$defs": {**definitions, "d40": {"type": "null"}}, "$ref": "#/$defs/d0"}
    assert faults(schema) == []
    with pytest.raises(TooMuchWork):
        Schema(schema).check(1, 1)


def test_a_value_that_is_too_deep():
    with pytest.raises(TooMuchWork):
        Schema({"type": "object", "additionalProperties": {"$ref": "#"}}).check(nested(5000), 40_000)


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "(.*a){20}b", "(a?){30}a{30}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_no_pattern_takes_more_than_linear_time(pattern):
    text = "a" * 20_000 + "!"
    began = time.process_time()
    with contextlib.suppress(TooMuchWork):
        Schema({"pattern": pattern}).check(text, len(text))
    assert time.process_time() - began < 30  # backtracking would take years


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-4, 4)
    | st.sampled_from([0.5, 1.0, -2.5])
    | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


def tables(inner):
    some = st.lists(inner, min_size=1, max_size=2)
    count = st.integers(0, 3)
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=3), "const": VALUES,
            "properties": named, "additionalProperties": inner, "propertyNames": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["a", "^b", "c$", "^(a|b)*$"]), inner),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "minProperties": count, "maxProperties": count,
            "dependentRequired": st.dictionaries(st.sampled_from("abc"), st.just(["a"]), max_size=2),
            "dependentSchemas": named,
            "items": inner, "prefixItems": some, "contains": inner, "minContains": count,
            "maxContains": count,
            "minItems": count, "maxItems": count, "uniqueItems": st.booleans(),
            "minLength": count, "maxLength": count,
            "pattern": st.sampled_from(["a", "^a", "b$", "^[ab]{2}$", "a.b"]),
            "minimum": st.integers(-3, 3), "exclusiveMaximum": st.integers(-3, 3),
            "multipleOf": st.sampled_from([1, 2, 0.5]),
            "allOf": some, "anyOf": some, "oneOf": some,
            "not": inner, "if": inner, "then": inner, "else": inner,
        },
    )  # fmt: skip


SCHEMAS = st.recursive(st.booleans() | tables(st.booleans()), tables, max_leaves=6)


@given(SCHEMAS, VALUES)
def test_it_is_as_the_reference_library_says(schema, value):
    assert [each for each in faults(schema) if not each.warning] == []
    reference = jsonschema.Draft202012Validator(schema, registry=referencing.Registry())
    assert (Schema(schema).check(value, 1000) is None) == reference.is_valid(value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "items", "type", "pattern", "properties", "anyOf", "enum", "x"]), inner
        )
    ),
    max_leaves=10,
)


@given(ANYTHING)
def test_faults_are_found_in_anything(schema):
    for each in faults(schema):
        assert each.message
