#!/usr/bin/env python3
"""Formats Python source with Black: whole, by lines, or as a difference."""

from __future__ import annotations

import ast
import difflib
import json
import sys
from typing import Any

import black
from request import Request, read_request


def initialize() -> str:
    """Nothing to prepare."""
    return "initialized"


def execute(input_data: str) -> str:
    """Format plain Python source and return it; answer a request, an object with "code", with an object."""
    request = read_request(input_data)
    formatted = format_source(request)
    if request.plain:
        return formatted
    answer: dict[str, Any] = {"changed": formatted != request.code}
    if request.diff:
        answer["diff"] = difference(request.code, formatted)
    elif not request.check:
        answer["code"] = formatted
    return json.dumps(answer, ensure_ascii=False)


def shutdown() -> str:
    """Nothing to free."""
    return "shutdown"


def format_source(request: Request) -> str:
    """Return the formatted source, after Black has checked that it means the same; raises ValueError."""
    mode = black.Mode(
        target_versions={black.TargetVersion[name.upper()] for name in request.targets},
        line_length=request.line_length,
        is_pyi=request.stub,
        string_normalization=not request.keep_quotes,
    )
    check_syntax(request.code)
    try:
        return black.format_file_contents(request.code, fast=False, mode=mode, lines=request.lines)
    except black.NothingChanged:
        return request.code
    except black.InvalidInput as error:
        raise ValueError(str(error)) from None


def difference(before: str, after: str) -> str:
    """Return a unified difference, empty where nothing changed."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), "before", "after"
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


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
            answer = execute(arguments[1])
        except ValueError as error:
            print(f"python-formatter: {error}", file=sys.stderr)
            return 1
        print(answer, end="" if answer.endswith("\n") else "\n")
    elif arguments == ["shutdown"]:
        print(shutdown())
    else:
        print("usage: plugin.py initialize | execute INPUT | shutdown", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
