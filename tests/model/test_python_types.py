"""Every schema that a manifest may have becomes a stub that Python can read."""

import ast
import json

from hypothesis import given
from hypothesis import strategies as st

from devkit_core.model.manifest import parse
from devkit_core.model.python_types import stub

HEAD = '[metadata]\nid = "a"\nname = "A"\nversion = "1.0.0"\ndescription = "A"\nauthor = "Me"\n'
HEAD += 'entry_point = "plugin.py"\n'
NAMES = st.sampled_from(["of", "class", "__x", "a b", "é", '"', "list", "Any", "1"])
LEAVES = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "null", "array", "object"]),
        "description": st.text("ab\"\\'\n#"),
    },
)


def tables(inner):
    some = st.lists(inner, min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", ["object", "null"]]),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "required": st.lists(NAMES, max_size=2),
            "additionalProperties": inner, "items": inner, "prefixItems": some,
            "anyOf": some, "oneOf": some, "allOf": some,
            "enum": st.lists(st.sampled_from(["a", '"', 1, 1.5, True]), min_size=1),
            "$defs": st.dictionaries(NAMES, inner, max_size=2),
        },
    )  # fmt: skip


SCHEMAS = st.recursive(LEAVES, tables, max_leaves=6)


def toml(value):
    """A value as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


@given(st.dictionaries(st.sampled_from(["execute", "list", "import", "f"]), tables(SCHEMAS), min_size=1))
def test_a_stub_is_python(functions):
    text = HEAD + "".join(
        f"[functions.{name}]\ninput = {toml(schema)}\noutput = {toml(schema)}\n"
        for name, schema in functions.items()
    )
    module = ast.parse(stub(parse(text.encode()).manifest))
    defined = [each.name for each in module.body if isinstance(each, ast.AsyncFunctionDef)]
    assert sorted(defined) == sorted(
        {"execute", *functions} - {"import"} | ({"import_"} & {f"{n}_" for n in functions})
    )


def test_types_that_lead_to_themselves():
    text = HEAD + '[functions.f.input]\n"$ref" = "#/$defs/node"\n"$defs".node.type = "array"\n'
    text += '"$defs".node.items."$ref" = "#/$defs/node"\n'
    text += '[functions.f.output]\ntype = "array"\nitems."$ref" = "#"\n'
    written = stub(parse(text.encode()).manifest)
    assert "FInputNode: TypeAlias = list[FInputNode]\n" in written
    assert "FOutputWhole: TypeAlias = list[FOutputWhole]\n" in written
