"""A plugin's functions as a Python stub, typed by their JSON Schemas."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from devkit_core.model.config_fields import plain
from devkit_core.model.tables import Function, Manifest

__all__ = ["attribute", "plugin_module", "stub"]

_SIMPLE: Final[Mapping[str, str]] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_MAX_DEPTH: Final = 24  # of types inside each other; deeper ones are Any
_LONGEST: Final = 88  # columns of a docstring's line


def attribute(name: str) -> str:
    """Return the name that Python code says for a function: keywords get an underscore at their end."""
    return f"{name}_" if keyword.iskeyword(name) else name


def plugin_module(plugin: str) -> str:
    """Return the name of a plugin's module, as `markdown_html` for `markdown-html`."""
    return attribute(plugin.replace("-", "_"))


def stub(manifest: Manifest) -> str:
    """Return the text of the `.pyi` for a plugin's module below `devkit_core.plugins`."""
    return _Stub(manifest).text()


class _Stub:
    """Writes one stub; types that need a name are written before the functions that use them."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        functions = dict(manifest.functions)
        if not _has_schema(functions.get("execute")):
            functions.pop("execute", None)
        self._functions: Mapping[str, Function] = functions
        self._lines: list[str] = []
        self._imports: set[str] = set()
        self._names: dict[tuple[str, ...], str] = {}  # of the types that a `$ref` leads to
        self._taken: set[str] = set()
        self._root: Any = None  # the schema that is being written
        self._prefix = ""

    def text(self) -> str:
        """Return the whole stub."""
        defined = [self._function(name, each) for name, each in sorted(self._functions.items())]
        if "execute" not in self._functions:
            defined.insert(0, self._execute())
        about = self._manifest.metadata
        head = [
            f"# Written by `devkit stubs` from {self._manifest.id} {self._manifest.version}: not by hand.",
            *_docstring(f"{about.name}: {about.description}", ""),
            "",
        ]
        if any("builtins." in line for line in (*self._lines, *defined)):
            head.append("import builtins")
        if self._imports:
            head.append(f"from typing import {', '.join(sorted(self._imports))}")
        body = "\n".join((*self._lines, "", *defined))
        return "\n".join(head).rstrip() + "\n\n" + body.strip("\n") + "\n"

    def _execute(self) -> str:
        text, data, seconds = self._builtin("str"), self._builtin("bytes"), self._builtin("float")
        return (
            f"async def execute(input: {text} | {data} = ..., /, *, timeout: {seconds} | None = ...)"
            f" -> {text} | {data}: ..."
        )

    def _function(self, name: str, function: Function) -> str:
        title = "".join(part.capitalize() for part in name.split("_"))
        taken = self._side(function.input, f"{title}Input")
        given = self._side(function.output, f"{title}Output")
        default = "" if function.input is not None else " = ..."
        head = (
            f"async def {attribute(name)}(input: {taken}{default}, /, *, "
            f"timeout: {self._builtin('float')} | None = ...) -> {given}:"
        )
        if not function.description.strip():
            return f"{head} ..."
        return "\n".join((head, *_docstring(function.description, "    "), "    ..."))

    def _side(self, schema: Any, name: str) -> str:
        if schema is None:
            return self._typing("Any")
        self._root, self._prefix = plain(schema), name
        self._names = {}
        return self._type(self._root, name, 0)

    def _typing(self, name: str) -> str:
        self._imports.add(name)
        return name

    def _builtin(self, name: str) -> str:
        """Return a built-in type's name, also where a function of the plugin has the same."""
        return f"builtins.{name}" if name in self._functions else name

    # -- types

    def _type(self, schema: Any, name: str, depth: int) -> str:
        if schema is False:
            return self._typing("Never")
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return self._typing("Any")
        if "$ref" in schema:
            return self._reference(schema["$ref"], depth)
        if "const" in schema or "enum" in schema:
            return self._literals([schema["const"]] if "const" in schema else schema["enum"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._union(
                    [self._type(each, f"{name}{n}", depth + 1) for n, each in enumerate(schema[several], 1)]
                )
        types = schema.get("type")
        if types is None and len(schema.get("allOf", ())) == 1:
            return self._type(schema["allOf"][0], name, depth + 1)
        if types is None:
            types = "object" if "properties" in schema else "array" if "items" in schema else None
        if isinstance(types, list):
            return self._union([self._one(each, schema, name, depth) for each in types])
        return self._one(types, schema, name, depth)

    def _one(self, kind: str | None, schema: dict[str, Any], name: str, depth: int) -> str:
        if kind == "null":
            return "None"
        if kind is not None and kind in _SIMPLE:
            return self._builtin(_SIMPLE[kind])
        if kind == "array":
            inner = [
                self._type(each, f"{name}Item{number}", depth + 1)
                for number, each in enumerate(schema.get("prefixItems", ()), 1)
            ]
            if schema.get("items", True) is not False or not inner:
                inner.append(self._type(schema.get("items", True), f"{name}Item", depth + 1))
            return f"{self._builtin('list')}[{self._union(inner)}]"
        if kind == "object":
            if schema.get("properties"):
                return self._table(schema, name, depth)
            values = self._type(schema.get("additionalProperties", True), f"{name}Value", depth + 1)
            return f"{self._builtin('dict')}[{self._builtin('str')}, {values}]"
        return self._typing("Any")

    def _union(self, types: Sequence[str]) -> str:
        types = list(dict.fromkeys(types))
        return self._typing("Any") if "Any" in types else " | ".join(types)

    def _literals(self, values: Sequence[Any]) -> str:
        if not all(value is None or isinstance(value, str | bool | int) for value in values):
            return (
                self._typing("Any")
                if not all(type(v) in (int, float) for v in values)
                else self._builtin("float")
            )
        return f"{self._typing('Literal')}[{', '.join(ascii(value) for value in values)}]"

    def _table(self, schema: dict[str, Any], name: str, depth: int, *, own: str | None = None) -> str:
        name = own or self._free(name)
        required = schema.get("required", ())
        fields: list[tuple[str, str, str]] = []
        for key, each in schema["properties"].items():
            inner = "".join(part.capitalize() for part in _words(key))
            wanted = self._type(each, f"{name}{inner}", depth + 1)
            if key not in required:
                wanted = f"{self._typing('NotRequired')}[{wanted}]"
            about = each.get("description", "") if isinstance(each, dict) else ""
            fields.append((key, wanted, " ".join(str(about).split())))
        kind = self._typing("TypedDict")
        if all(map(_is_attribute, schema["properties"])):
            lines = [f"class {name}({kind}):"]
            if description := str(schema.get("description", "")).strip():
                lines += [*_docstring(description, "    "), ""]
            for key, wanted, about in fields:
                lines += [f"    # {about}"] if about else []
                lines.append(f"    {key}: {wanted}")
        else:
            inside = ", ".join(f"{key!a}: {wanted}" for key, wanted, _ in fields)
            lines = [f"{name} = {kind}({name!r}, {{{inside}}})"]
        self._lines += [*lines, ""]
        return name

    def _reference(self, reference: str, depth: int) -> str:
        """Return the name of what a `$ref` leads to, written once; it may lead to itself."""
        path = tuple(
            unquote(part).replace("~1", "/").replace("~0", "~")
            for part in reference.removeprefix("#").split("/")[1:]
        )
        if path in self._names:
            return self._names[path]
        schema = self._root
        for part in path:
            schema = schema[int(part) if isinstance(schema, list) else part]
        words = _words(path[-1]) if path else ["whole"]
        name = self._names[path] = self._free(self._prefix + "".join(part.capitalize() for part in words))
        if isinstance(schema, dict) and schema.get("type", "object") == "object" and schema.get("properties"):
            return self._table(schema, name, depth + 1, own=name)
        wanted = self._type(schema, name, depth + 1)
        self._lines += [f"{name}: {self._typing('TypeAlias')} = {wanted}", ""]
        return name

    def _free(self, name: str) -> str:
        number, found = 1, name
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found


def _is_attribute(key: str) -> bool:
    """Say whether a key can stand as a name in a class, and hides no type there."""
    hides = keyword.iskeyword(key) or key.startswith("__") or key in {*_SIMPLE.values(), "list", "dict"}
    return key.isidentifier() and not hides


def _has_schema(function: Function | None) -> bool:
    return function is not None and (function.input is not None or function.output is not None)


def _words(text: str) -> list[str]:
    letters = "".join(c if c.isascii() and c.isalnum() else " " for c in text)
    return letters.split() or ["other"]


def _docstring(text: str, indent: str) -> list[str]:
    """Return a stranger's text as the lines of a docstring that it can't end."""
    safe = text.strip().replace("\\", "\\\\").replace('"', '\\"')
    safe = "".join(c if c.isprintable() or c == "\n" else " " for c in safe.replace("\r", "\n"))
    lines = [f"{indent}{line.strip()}".rstrip() for line in f'"""{safe}'.split("\n")]
    if len(lines) == 1 and len(lines[0]) < _LONGEST:
        return [f'{lines[0]}"""']
    return [*lines, f'{indent}"""']
