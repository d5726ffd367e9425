#!/usr/bin/env python3
"""Lists the TODO comments of a file, a folder or a text, as JSON."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

from comments import LANGUAGES, SyntaxProblem, comments
from todos import todos
from tree import MAX_FILES, Unreadable, read_source, source_files

MAX_TODOS = 10_000
GRANT = "devkit plugin permissions grant todo-scanner filesystem:read"


def initialize() -> str:
    """Nothing to prepare."""
    return "initialized"


def execute(input_data: str) -> str:
    """Scan what the input names: {"path": …}, {"text": …, "language": …}, or plain Python source."""
    request = read_request(input_data)
    report: dict[str, Any] = {"todos": [], "problems": [], "files": 0, "truncated": False}
    if "path" in request:
        scan_path(request["path"], report)
    else:
        scan(request["text"], request.get("language", "python"), None, report)
    if len(report["todos"]) > MAX_TODOS:
        del report["todos"][MAX_TODOS:]
        report["truncated"] = True
    return json.dumps(report)


def shutdown() -> str:
    """Nothing to free."""
    return "shutdown"


def read_request(input_data: str) -> dict[str, str]:
    """Return the request; raises ValueError where an object is no request that this plugin knows."""
    try:
        request = json.loads(input_data)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return {"text": input_data}
    if set(request) not in ({"path"}, {"text"}, {"text", "language"}):
        raise ValueError('the input is {"path": …}, {"text": …, "language": …} or plain Python source')
    for key, value in request.items():
        if not isinstance(value, str):
            raise ValueError(f'"{key}" is a string')
    if request.get("language", "python") not in LANGUAGES:
        raise ValueError(f'"language" is one of {", ".join(LANGUAGES)}')
    return request


def scan_path(path: str, report: dict[str, Any]) -> None:
    """Scan a file or a folder into the report; the confinement decides what can be read."""
    files = source_files(Path(path))
    for file in itertools.islice(files, MAX_FILES):
        if len(report["todos"]) > MAX_TODOS:
            break
        try:
            if isinstance(file, Unreadable):
                raise file
            source, language = read_source(file)
            scan(source, language, str(file), report)
        except Unreadable as problem:
            entry = {"file": str(problem.path), "problem": str(problem)}
            if problem.unseen:
                entry["hint"] = (
                    f"if it is there, this plugin may not see it; to let it read files here: {GRANT}"
                )
            report["problems"].append(entry)
    report["truncated"] = next(files, None) is not None


def scan(text: str, language: str, file: str | None, report: dict[str, Any]) -> None:
    """Add a text's comments to the report, which calls it `file`: None for a text given directly."""
    report["files"] += 1
    try:
        for comment in comments(text, language):
            for todo in todos(comment.text):
                entry = {
                    "file": file,
                    "line": comment.line,
                    "column": comment.column + todo.offset,
                    "tag": todo.tag,
                }
                if todo.author:
                    entry["author"] = todo.author
                report["todos"].append({**entry, "text": todo.text})
    except SyntaxProblem as problem:
        report["problems"].append({"file": file, "line": problem.line, "problem": str(problem)})


def main(arguments: list[str]) -> int:
    """Answer on the command line, for use without DevKit."""
    if arguments == ["initialize"]:
        print(initialize())
    elif len(arguments) == 2 and arguments[0] == "execute":
        try:
            print(execute(arguments[1]))
        except ValueError as error:
            print(f"todo-scanner: {error}", file=sys.stderr)
            return 1
    elif arguments == ["shutdown"]:
        print(shutdown())
    else:
        print("usage: plugin.py initialize | execute INPUT | shutdown", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
