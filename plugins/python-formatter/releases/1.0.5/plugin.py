#!/usr/bin/env python3
"""Formats Python source with Black, to a line length of the caller's choice."""

from __future__ import annotations

import ast
import json
import sys

import black


def initialize() -> str:
    """Nothing to prepare."""
    return "initialized"


def execute(input_data: str) -> str:
    """Return the source, formatted; the input is the source or {"code": …, "line_length": …}."""
    source, line_length = read_request(input_data)
    check_syntax(source)
    try:
        return black.format_file_contents(source, fast=False, mode=black.Mode(line_length=line_length))
    except black.NothingChanged:
        return source
    except black.InvalidInput as error:
        raise ValueError(str(error)) from None


def shutdown() -> str:
    """Nothing to free."""
    return "shutdown"


def read_request(input_data: str) -> tuple[str, int]:
    """Return the source and the line length; an object without "code" is Python source like any other."""
    try:
        request = json.loads(input_data)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict) or not isinstance(request.get("code"), str):
        return input_data, black.DEFAULT_LINE_LENGTH
    length = request.get("line_length", black.DEFAULT_LINE_LENGTH)
    if type(length) is not int or not 1 <= length <= 1000:
        raise ValueError('"line_length" is a whole number from 1 to 1000')
    return request["code"], length


def check_syntax(source: str) -> None:
    """Raise ValueError, with Python's own finding, for what isn't Python."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ValueError(f"line {line}: {getattr(error, 'msg', None) or error}") from None


def main(arguments: list[str]) -> int:
    """Answer on the command line, for use without DevKit."""
    if arguments == ["initialize"]:
        print(initialize())
    elif len(arguments) == 2 and arguments[0] == "execute":
        try:
            print(execute(arguments[1]), end="")
        except ValueError as error:
            print(f"python-formatter: {error}", file=sys.stderr)
            return 1
    elif arguments == ["shutdown"]:
        print(shutdown())
    else:
        print("usage: plugin.py initialize | execute INPUT | shutdown", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
