#!/usr/bin/env python3
"""The smallest complete plugin: it answers with its input."""

import json
import sys


def initialize() -> str:
    """Called once, when the plugin is loaded."""
    return "initialized"


def execute(input_data: str) -> str:
    """Called for every execution."""
    result = {"plugin": "test-plugin", "processed_input": input_data, "status": "success"}
    return json.dumps(result)


def shutdown() -> str:
    """Called once, before the plugin is unloaded."""
    return "shutdown"


def main(arguments: list[str]) -> int:
    """Answer on the command line, for trying the plugin without DevKit."""
    if arguments == ["initialize"]:
        print(initialize())
    elif len(arguments) == 2 and arguments[0] == "execute":
        print(execute(arguments[1]))
    elif arguments == ["shutdown"]:
        print(shutdown())
    else:
        print("usage: plugin.py initialize | execute INPUT | shutdown", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
