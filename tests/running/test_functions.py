"""Functions take and give what their schemas say, and refuse the rest before anything is sent."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.api import Result
from devkit_core.errors import FunctionMissing, ManifestError, PayloadTooLarge, SchemaMismatch, UsageError
from devkit_core.running.functions import decode, encode, functions_of

SCHEMAS = """
[functions.add]
description = "Adds numbers"
input = {type = "object", required = ["of"], properties = {of = {type = "array", items = {type = "integer"}}}}
output = {type = "integer"}

[functions.echo]
"""


@pytest.fixture
async def handle(pocket):
    """A plugin whose functions return what the test puts into `answers`, and note what they got."""
    pocket.write(more=SCHEMAS)
    handle = await pocket.manager.load("one")
    instance = pocket.last
    instance.functions = {"execute": 0, "add": 1, "echo": 2}
    instance.got, instance.answers = [], {1: b"3", 2: None}

    def answer(call):
        instance.got.append((call.function, call.data, call.text))
        data = instance.answers.get(call.function)
        call.set_result(Result(call.data if data is None else data, True))

    instance.answer = answer
    return handle


async def test_a_value_in_a_value_out(pocket, handle):
    assert await handle.call("add", {"of": [1, 2]}) == 3
    assert pocket.last.got == [(1, b'{"of":[1,2]}', True)]


async def test_text_stays_text(pocket, handle):
    assert await handle.call("add", '{"of": [1, 2]}') == "3"
    assert await handle.call("add", b'{"of": [1, 2]}') == "3"
    assert [text for _, _, text in pocket.last.got] == [True, False]


@pytest.mark.parametrize(
    ("given", "path", "expected", "got"),
    [
        ({"of": [1, "2"]}, "$.of[1]", "an integer", '"2"'),
        ('{"of": [1, "2"]}', "$.of[1]", "an integer", '"2"'),
        ({}, "$.of", "an array", "nothing"),
        ([1], "$", "an object", "an array of 1"),
        (None, "$", "an object", "null"),
        ("{", "$", "JSON text", "1 bytes that are none"),
        ({"of": {1}}, "$", "a JSON value", "dict"),
        ({"of": [float("nan")]}, "$", "a JSON value", "dict"),
        ({"of": ["\ud800"]}, "$", "a JSON value", "dict"),
    ],
)
async def test_an_input_that_does_not_fit_is_not_sent(pocket, handle, given, path, expected, got):
    with pytest.raises(SchemaMismatch) as caught:
        await handle.call("add", given)
    error = caught.value
    assert (error.code, error.plugin) == ("input-invalid", "one")
    assert (error.path, error.expected, error.got) == (path, expected, got)
    assert error.as_dict()["path"] == path
    assert pocket.last.got == []


@pytest.mark.parametrize("answer", [b'"3"', b"3.5", b"", b"{", b"NaN", b"\xff", b"[" * 100_000])
async def test_an_answer_that_does_not_fit_is_withheld(pocket, handle, answer):
    pocket.last.answers[1] = answer
    for value in ({"of": []}, json.dumps({"of": []})):
        with pytest.raises(SchemaMismatch) as caught:
            await handle.call("add", value)
        assert caught.value.code == "output-invalid"
    assert len(pocket.last.got) == 2


async def test_a_function_without_schemas_takes_any_json(pocket, handle):
    for value in (None, True, 0, -1.5, "ż", [], {"a": [{}]}, 10**40):
        assert await handle.invoke("echo", value) == value
    assert await handle.call("echo", "no json at all") == "no json at all"
    pocket.last.answers[2] = b"no json"
    with pytest.raises(SchemaMismatch):
        await handle.invoke("echo", 1)


async def test_a_value_that_is_too_large(handle):
    with pytest.raises(PayloadTooLarge):
        await handle.invoke("echo", "x" * (1 << 20))


@pytest.mark.parametrize("function", ["add", "echo"])
async def test_an_answer_of_too_many_values(pocket, handle, function):
    pocket.last.answers[pocket.last.functions[function]] = b"[" + b"[]," * 600_000 + b"[]]"
    with pytest.raises(PayloadTooLarge, match=r"has 1,200,002 JSON values; the limit is 1,000,000"):
        await handle.invoke(function, {"of": [1]})


@pytest.mark.parametrize("text", [",[{:" * 600_000, '\\"[,' * 600_000, "\\" * 600_001 + '"'])
async def test_marks_within_text_are_no_values(text):
    assert decode("one", "f", encode("one", "f", [text, [text]])) == [text, [text]]


async def test_odd_text_of_many_marks_is_refused_soon():
    for odd in (
        b'"' + b'\\"' * 1_000_000,
        b'",' * 1_000_000,
        b"\\" * 999_999 + b"," * 1_000_001,
        b'"' + b"," * 2_000_000,
    ):
        with pytest.raises((PayloadTooLarge, SchemaMismatch)):
            decode("one", "f", odd)


async def test_execute_is_for_text(handle):
    for value in (None, {"a": 1}):
        with pytest.raises(UsageError):
            await handle.call("execute", value)
        with pytest.raises(UsageError):
            await handle.invoke("execute", "x")
    assert await handle.call("execute", "x") == "x"


async def test_execute_that_is_described(pocket):
    pocket.write(more='[functions.execute]\ninput = {type = "integer"}\n')
    handle = await pocket.manager.load("one")
    pocket.last.answer = lambda call: call.set_result(Result(call.data, True))
    assert await handle.invoke("execute", 5) == 5
    with pytest.raises(SchemaMismatch):
        await handle.invoke("execute", "5")
    assert await handle.execute("any text") == "any text"


async def test_a_function_that_is_not_there(handle):
    with pytest.raises(FunctionMissing):
        await handle.call("absent", {"a": 1})


async def test_a_reload_brings_the_new_schemas(pocket, handle):
    with pytest.raises(SchemaMismatch):
        await handle.invoke("add", {"of": ["a"]})
    pocket.write(more=SCHEMAS.replace('items = {type = "integer"}', 'items = {type = "string"}'))
    await pocket.manager.reload("one")
    pocket.last.functions = {"execute": 0, "add": 1}
    pocket.last.answer = lambda call: call.set_result(Result(b"1", True))
    assert await handle.invoke("add", {"of": ["a"]}) == 1


async def test_a_plugin_with_a_broken_schema_is_not_loaded(pocket):
    pocket.write(more='[functions.f]\ninput = {type = "strin"}\n')
    with pytest.raises(ManifestError) as caught:
        await pocket.manager.load("one")
    assert caught.value.code == "schema-invalid"
    assert (caught.value.place.line, caught.value.place.key) == (10, "functions.f.input.type")


async def test_a_schema_that_would_take_for_ever(pocket, handle):
    again = "{properties = {a = {'$ref' = '#'}}}"
    more = f"[functions.add.input]\ntype = 'object'\nanyOf = [{again}, {again}]\n"
    pocket.write(more=more)
    await pocket.manager.reload("one")
    deep = json.loads('{"a":' * 60 + "1" + "}" * 60)
    with pytest.raises(SchemaMismatch, match="more work"):
        await handle.invoke("add", deep)
    deeper = {}
    for _ in range(900):
        deeper = {"a": deeper}
    with pytest.raises(SchemaMismatch):
        await asyncio.wait_for(handle.invoke("add", deeper), 60)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_values_survive_the_way(value):
    assert decode("one", "f", encode("one", "f", value)) == value


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_decoded_or_refused(data):
    with contextlib.suppress(SchemaMismatch):
        decode("one", "f", data)


async def test_nothing_is_kept_where_there_are_no_schemas(pocket):
    pocket.write(more='[functions.echo]\ndescription = "no schema"\n')
    await pocket.manager.load("one")
    assert pocket.last.request.manifest.functions
    assert functions_of(pocket.last.request.manifest) is None
