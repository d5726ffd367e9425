"""Lays errors out for a terminal, or as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from devkit_core.cli.documents import as_json
from devkit_core.cli.escaping import display_width, escape
from devkit_core.cli.exit_codes import exit_code
from devkit_core.errors import DevKitError, Place, Problem

__all__ = ["as_document", "render", "render_problem"]

_LONGEST_LINE = 200


def render(error: DevKitError, *, colour: bool = False) -> str:
    """Return the text a human reads: all problems, the plugin's traceback, the hint and where to read on."""
    problems = getattr(error, "problems", ()) or (
        Problem(error.code, error.message, error.place, error.hint),
    )
    traceback = getattr(error, "traceback", None)
    return "\n".join(render_problem(each, colour=colour, traceback=traceback) for each in problems)


def render_problem(problem: Problem, *, colour: bool = False, traceback: str | None = None) -> str:
    """Return one finding with its place, source line and caret."""
    return "\n".join(_lines(problem, colour, traceback))


def as_document(error: DevKitError) -> str:
    """Return an error as one JSON object under the schema `error/1`."""
    return as_json({"schema": "error/1", "exit_code": int(exit_code(error)), "error": error.as_dict()})


def _lines(problem: Problem, colour: bool, traceback: str | None) -> Iterator[str]:
    def paint(text: str, **look: Any) -> str:
        return click.style(text, **look) if colour else text

    look = {"fg": "yellow" if problem.warning else "red", "bold": True}
    word = "warning" if problem.warning else "error"
    yield paint(f"{word}[{escape(problem.code)}]", **look) + f": {escape(problem.message)}"
    place = problem.place
    margin = " " * max(2, len(str(place.line)) if place and place.text is not None and place.line else 0)
    if place is not None:
        shown = place.text is not None and place.line is not None
        yield margin + paint("--> ", fg="blue", bold=True) + escape(str(place))
        if shown:
            source, caret = _caret(place)
            bar = paint("|", fg="blue", bold=True)
            yield f"{margin} {bar}"
            yield paint(str(place.line).rjust(len(margin)), fg="blue", bold=True) + f" {bar} {source}"
            yield f"{margin} {bar} " + paint(caret, **look)
    if traceback:
        for line in escape(traceback.rstrip("\n"), lines=True).split("\n"):
            yield f"  {line}" if line else ""
    equals = margin + "= "
    if problem.hint:
        first, *rest = escape(problem.hint, lines=True).split("\n")
        yield f"{equals}help: {first}"
        yield from (" " * len(f"{equals}help: ") + line for line in rest)
    yield f"{equals}note: devkit explain {escape(problem.code)}"


def _caret(place: Place) -> tuple[str, str]:
    """Return the source line, cut where it is long, and the marks below it."""
    text = place.text or ""
    column = min(max((place.column or 1) - 1, 0), len(text))
    start = max(0, column - _LONGEST_LINE // 2)
    cut = text[start : start + _LONGEST_LINE].replace("\t", " ")
    before, after = cut[: column - start], cut[column - start :]
    key = (place.key or "").rsplit(".", 1)[-1]
    marked = key if key and after.startswith(key) else after[:1] or " "
    caret = " " * display_width(escape(before)) + "^" * max(1, display_width(escape(marked)))
    return escape(before + after), caret
