#!/usr/bin/env python3
"""Outline, metrics and lints of Rust source, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lints import RULES, lints
from metrics import metrics
from outline import outline
from syntax import Source, mistakes

REPORTS = ("outline", "metrics", "lints")
MAX_BYTES = 4 * 1024 * 1024
GRANT = "devkit plugin permissions grant rust-analyzer-plus filesystem:read"


def initialize() -> str:
    """Nothing to prepare."""
    return "initialized"


def execute(input_data: str) -> str:
    """Report on Rust source: plain text, or an object with "code" or "path", "report" and "allow"."""
    request = read_request(input_data)
    source = Source(request["code"].encode("utf-8", "surrogatepass"))
    answer: dict[str, Any] = {"file": request["path"], "mistakes": mistakes(source)}
    if "outline" in request["report"]:
        answer["outline"] = outline(source)
    if "metrics" in request["report"]:
        answer["metrics"] = metrics(source)
    if "lints" in request["report"]:
        answer["lints"] = [each for each in lints(source) if each["rule"] not in request["allow"]]
    return json.dumps(answer, ensure_ascii=False)


def shutdown() -> str:
    """Nothing to free."""
    return "shutdown"


def read_request(text: str) -> dict[str, Any]:
    """Return code, path, report and allow; what is no object is Rust source. Raises ValueError."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        given = {"code": text}
    unknown = sorted(set(given) - {"code", "path", "report", "allow"})
    if unknown or ("code" in given) == ("path" in given):
        raise ValueError('the input is Rust source, or {"code" or "path": …, "report": […], "allow": […]}')
    path = given.get("path")
    code = read_file(path) if "path" in given else given["code"]
    if not isinstance(code, str):
        raise ValueError('"code" is a string')
    return {
        "code": code,
        "path": path,
        "report": names(given.get("report", list(REPORTS)), REPORTS, "report"),
        "allow": names(given.get("allow", []), RULES, "allow"),
    }


def names(given: Any, known: tuple[str, ...], key: str) -> list[str]:
    """Return a list of known names, or raise ValueError that lists them."""
    if not isinstance(given, list) or not all(each in known for each in given):
        raise ValueError(f'"{key}" is a list of {", ".join(known)}')
    return given


def read_file(path: Any) -> str:
    """Return a file's text; the confinement decides what can be read. Raises ValueError."""
    if not isinstance(path, str):
        raise ValueError('"path" is a string')
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, PermissionError) as error:
        hint = f"if it is there, to let this plugin see it: {GRANT}"
        raise ValueError(f"{path}: {error.strerror}; {hint}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"{path}: over {MAX_BYTES // 1024 // 1024} MiB")
    return data.decode("utf-8", "replace")


def main(arguments: list[str]) -> int:
    """Answer on the command line, for use without DevKit."""
    if arguments == ["initialize"]:
        print(initialize())
    elif len(arguments) == 2 and arguments[0] == "execute":
        try:
            print(execute(arguments[1]))
        except ValueError as error:
            print(f"rust-analyzer-plus: {error}", file=sys.stderr)
            return 1
    elif arguments == ["shutdown"]:
        print(shutdown())
    else:
        print("usage: plugin.py initialize | execute INPUT | shutdown", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
