"""The JSON Schema of plugin.toml, made from the types."""

from __future__ import annotations

import inspect
import json
from typing import Any, Final

import msgspec

from devkit_core.model.tables import CapabilityEntry, Manifest, PermissionTable
from devkit_core.model.types import CAPABILITIES

__all__ = ["plugin_schema", "plugin_schema_text"]

_REF: Final = "#/$defs/{name}"


def plugin_schema() -> dict[str, Any]:
    """Return the schema that editors check a plugin.toml by.

    It knows the present form only: what it refuses is an error or a warning of the parser too. Its root
    is written out, since not every editor follows a `$ref` there.
    """
    _, parts = msgspec.json.schema_components([Manifest, CapabilityEntry, PermissionTable], ref_template=_REF)
    definitions = {name: _tidied(part) for name, part in sorted(parts.items())}
    root = definitions.pop("Manifest")
    properties = root["properties"]
    names = properties["capabilities"].pop("items")
    properties["capabilities"]["items"] = {
        "anyOf": [{"enum": list(CAPABILITIES)}, names, {"$ref": _REF.format(name="CapabilityEntry")}]
    }
    listed = {key: value for key, value in properties["permissions"].items() if key != "description"}
    properties["permissions"] = {
        "description": properties["permissions"]["description"],
        "anyOf": [listed, {"$ref": _REF.format(name="PermissionTable")}],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:devkit:schema:plugin:1",
        "title": "plugin.toml",
        "description": "The manifest of a DevKit plugin.",
        "x-tombi-toml-version": "v1.0.0",
        **{key: value for key, value in root.items() if key not in {"title", "description"}},
        "$defs": definitions,
    }


def plugin_schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(plugin_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidied(part: Any) -> Any:
    """Drop `null`, which TOML doesn't have; forbid unknown keys; unfold descriptions."""
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {key: _tidied(value) for key, value in part.items()}
    choices = part.get("anyOf", [])
    if {"type": "null"} in choices:
        del part["anyOf"]
        (choice,) = (choice for choice in choices if choice != {"type": "null"})
        part |= choice
    if "default" in part and part["default"] is None:
        del part["default"]
    if "properties" in part:
        part["additionalProperties"] = False
        part["description"] = " ".join(inspect.cleandoc(part["description"]).split())
    return part
