#!/usr/bin/env python3
"""Formats, queries and compares JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from diff import diff
from document import JsonError, read, write
from query import query


def initialize() -> str:
    """Nothing to prepare."""
    return "initialized"


def execute(input_data: str) -> str:
    """Answer a request, an object whose "op" is format, query or diff; any other JSON is formatted.

    Raises JsonError or PathError, both ValueErrors, that say what is wrong and where.
    """
    request = read(input_data)
    op = request.get("op") if isinstance(request, dict) else None
    if not isinstance(op, str) or op not in OPERATIONS:
        return write(request)
    operation, allowed = OPERATIONS[op]
    unknown = sorted(set(request) - allowed - {"op"})
    if unknown:
        raise JsonError(f'"{op}" knows no "{unknown[0]}"; it knows {", ".join(sorted(allowed))}')
    return operation(request)


def shutdown() -> str:
    """Nothing to free."""
    return "shutdown"


def format_document(request: dict[str, Any]) -> str:
    """Write a document with `indent` spaces a level (0: on one line), its names sorted on wish."""
    indent = request.get("indent", 2)
    if not isinstance(indent, int) or isinstance(indent, bool) or not 0 <= indent <= 16:
        raise JsonError('"indent" is a number from 0 to 16')
    return write(document(request, "value"), indent, flag(request, "sort_keys"))


def query_document(request: dict[str, Any]) -> str:
    """Return the values that `path` selects, with `paths` also where each stands."""
    path = request.get("path")
    if not isinstance(path, str):
        raise JsonError('"query" needs a "path", a string')
    nodes = query(path, document(request, "value"))
    if flag(request, "paths"):
        return write([{"path": node.path, "value": node.value} for node in nodes])
    return write([node.value for node in nodes])


def compare_documents(request: dict[str, Any]) -> str:
    """Return the JSON Patch that turns `before` into `after`."""
    return write(diff(document(request, "before"), document(request, "after")))


def document(request: dict[str, Any], name: str) -> Any:
    """Return a document given as itself, or as JSON text in the member with `_text` after its name."""
    text = f"{name}_text"
    if (name in request) == (text in request):
        raise JsonError(f'"{request["op"]}" needs either "{name}" or "{text}"')
    if name in request:
        return request[name]
    if not isinstance(request[text], str):
        raise JsonError(f'"{text}" is a string of JSON')
    return read(request[text])


def flag(request: dict[str, Any], name: str) -> bool:
    """Return an option that is true or false, and false where it isn't given."""
    value = request.get(name, False)
    if not isinstance(value, bool):
        raise JsonError(f'"{name}" is true or false')
    return value


OPERATIONS: dict[str, tuple[Callable[[dict[str, Any]], str], set[str]]] = {
    "format": (format_document, {"value", "value_text", "indent", "sort_keys"}),
    "query": (query_document, {"value", "value_text", "path", "paths"}),
    "diff": (compare_documents, {"before", "before_text", "after", "after_text"}),
}


def main(arguments: list[str]) -> int:
    """Answer on the command line, for use without DevKit."""
    if arguments == ["initialize"]:
        print(initialize())
    elif len(arguments) == 2 and arguments[0] == "execute":
        try:
            print(execute(arguments[1]))
        except ValueError as error:
            print(f"json-tools: {error}", file=sys.stderr)
            return 1
    elif arguments == ["shutdown"]:
        print(shutdown())
    else:
        print("usage: plugin.py initialize | execute INPUT | shutdown", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
