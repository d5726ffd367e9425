#!/usr/bin/env python3
"""Formats Python source with Black."""

from __future__ import annotations

import ast
import sys

import black


def initialize() -> str:
    """Nothing to prepare."""
    return "initialized"


def execute(source: str) -> str:
    """Return the source, formatted."""
    try:
        ast.parse(source)
        return black.format_file_contents(source, fast=False, mode=black.Mode())
    except black.NothingChanged:
        return source
    except (black.InvalidInput, SyntaxError) as error:
        raise ValueError(str(error)) from None


def shutdown() -> str:
    """Nothing to free."""
    return "shutdown"


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
