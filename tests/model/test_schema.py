"""The JSON Schema: up to date, true of the seed's manifests, never stricter than the parser says."""

import copy
import json
import re
import subprocess
import sys
import tomllib
from datetime import date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import ManifestError
from devkit_core.model import tables
from devkit_core.model.manifest import parse
from devkit_core.model.schema import plugin_schema, plugin_schema_text

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(plugin_schema())

WHOLE: dict[str, Any] = {
    "manifest_version": 1,
    "capabilities": ["CodeAnalysis", {"capability": "Custom", "name": "Stars"}],
    "permissions": ["filesystem:read"],
    "metadata": {
        "id": "my-plugin",
        "name": "My Plugin",
        "version": "1.0.0",
        "description": "My plugin",
        "author": "Me",
        "entry_point": "plugin.py",
        "license": "MIT",
        "homepage": "https://example.org",
        "repository": "https://example.org",
        "tags": ["a"],
        "created_at": "2024-01-01T00:00:00Z",
        "min_devkit_version": "0.1.0",
    },
    "dependencies": [{"id": "a", "version": "^1.2", "optional": True, "reason": "x"}, {"id": "b"}],
    "runtime": {
        "type": "python",
        "env": {"A": "1"},
        "limits": {"max_memory_mb": 64, "max_threads": 2},
        "timeouts": {"init_timeout_seconds": 1.5},
        "security": {"enable_sandbox": True},
    },
    "functions": {"count": {"description": "x", "input": {"type": "object"}, "output": {}}},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


junk = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.sampled_from(["", "x", "A", "../x", "x" * 70, "x" * 300, "x" * 1100, "Custom", "1.0.0", "a b"]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.builds(list),
    st.builds(dict),
    st.lists(st.integers(0, 1) | st.just("a"), max_size=110),
    st.builds(dict, a=st.just(1)),
    st.datetimes(),
)
names = st.sampled_from(
    ["id", "name", "capability", "permissions", "limits", "max_threads", "unknown", "Bad-Name"]
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A whole manifest with a few places changed, taken away or added."""
    document = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(0, 3))):
        *path, key = draw(st.sampled_from(places(document)[1:]))
        holder: Any = document
        for part in path:
            holder = holder[part]
        match draw(st.sampled_from(["set", "take", "add"])):
            case "set":
                holder[key] = draw(junk)
            case "take" if isinstance(holder, dict):
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(names)] = draw(junk)
            case _ if isinstance(holder, list):
                holder.append(draw(junk))
    return document


def as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def has_problems(text: str) -> bool:
    try:
        return bool(parse(text.encode()).warnings)
    except ManifestError:
        return True


@given(documents())
def test_what_the_schema_refuses_the_parser_does_not_pass(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    refused = not VALIDATOR.is_valid(as_json(tomllib.loads(text)))
    if refused:
        assert has_problems(text)


def test_a_whole_manifest_pleases_both() -> None:
    VALIDATOR.validate(WHOLE)
    assert not has_problems(tomlkit.dumps(WHOLE))


@pytest.mark.parametrize(
    "plugin", sorted((ROOT / "plugins").glob("*/plugin.toml")), ids=lambda p: p.parent.name
)
def test_our_own_plugins_are_valid(plugin: Path) -> None:
    VALIDATOR.validate(as_json(tomllib.loads(plugin.read_text())))


def test_the_seeds_manifests_are_valid(seed_manifests: tuple[str, str]) -> None:
    for text in seed_manifests:
        VALIDATOR.validate(as_json(tomllib.loads(text)))


def test_the_schema_is_one_that_editors_follow() -> None:
    schema = plugin_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "$ref" not in schema
    assert schema["type"] == "object"
    assert schema["$id"]
    assert schema["x-tombi-toml-version"] == "v1.0.0"
    text = json.dumps(schema)
    assert "null" not in text
    for name in set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', text)):
        assert name in schema["$defs"]
    for table in [schema, *schema["$defs"].values()]:
        assert table["description"]
        assert table["title"]
        assert all(value.get("description") for value in table["properties"].values())


def test_the_written_files_are_up_to_date() -> None:
    tool = ROOT / "tools" / "generate_schemas.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    packaged = files("devkit_core").joinpath("data", "schemas", "plugin.schema.json").read_text()
    assert packaged == plugin_schema_text()


# The reference page against the types.

TABLES = {
    "Top level": tables.Manifest,
    "`[metadata]`": tables.Metadata,
    "`[[dependencies]]`": tables.Dependency,
    "`[[capabilities]]`": tables.CapabilityEntry,
    "`[permissions]`": tables.PermissionTable,
    "`[runtime]`": tables.Runtime,
    "`[runtime.limits]`": tables.Limits,
    "`[runtime.timeouts]`": tables.Timeouts,
    "`[runtime.restart]`": tables.Restart,
    "`[runtime.security]`": tables.Security,
    "`[python]`": tables.Python,
    "`[functions.NAME]`": tables.Function,
    "`[config.KEY]`": tables.ConfigField,
}
DEFAULTS = {"none": (None, (), {}), "empty": ({},), "the host's": (None,)}


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_lists_every_key_with_its_default(heading: str) -> None:
    page = (ROOT / "docs/reference/manifest.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    fields = {field.name: field for field in msgspec.structs.fields(TABLES[heading])}
    assert {row[0].strip("`") for row in rows} == set(fields)
    for key, _, written, meaning in rows:
        field = fields[key.strip("`")]
        assert meaning
        assert (written == "required") == field.required
        if field.required:
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        if isinstance(default, msgspec.Struct):
            default = {}
        if written in DEFAULTS:
            assert default in DEFAULTS[written]
        else:
            assert json.loads(written.strip("`")) == default


def test_the_page_has_no_other_table_sections() -> None:
    page = (ROOT / "docs/reference/manifest.md").read_text()
    assert set(re.findall(r"^## (.*)$", page, re.M)) == {*TABLES, "Former spellings"}
