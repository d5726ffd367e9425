"""devkit explain: the page of an error code."""

from __future__ import annotations

from pathlib import Path

import click

from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Table
from devkit_core.cli.session import Session
from devkit_core.cli.suggestions import did_you_mean
from devkit_core.errors import NotFound, UsageError

__all__ = ["explain"]

_PAGES = Path(__file__).parents[2] / "data" / "errors"


def _codes() -> list[str]:
    return sorted(page.stem for page in _PAGES.glob("*.md"))


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [code for code in _codes() if code.startswith(incomplete)]


@command(
    "explain",
    examples=("devkit explain worker-crashed", "devkit explain --list"),
)
@click.argument("code", required=False, shell_complete=_complete)
@click.option("--list", "list_all", is_flag=True, help="Show every code with its first line.")
@pass_session
def explain(session: Session, code: str | None, list_all: bool) -> None:
    """Explain an error code: what happened, why, and what to do."""
    if list_all:
        pages = [(name, _summary((_PAGES / f"{name}.md").read_text("utf-8"))) for name in _codes()]
        session.output.data(
            "error-codes/1",
            {"codes": [{"code": name, "summary": summary} for name, summary in pages]},
            lambda: [Table(("CODE", "SUMMARY"), pages)],
        )
        return
    if code is None:
        raise UsageError("which code?", hint="devkit explain --list")
    code = code.strip().removeprefix("error[").rstrip("]:")
    if code not in _codes():
        raise NotFound(
            f"no error code {code!r}",
            code="code-unknown",
            hint=did_you_mean(code, _codes()) or "devkit explain --list shows every code",
        )
    text = (_PAGES / f"{code}.md").read_text("utf-8").rstrip("\n")
    session.output.data("error-page/1", {"code": code, "text": text}, lambda: [text])


def _summary(text: str) -> str:
    """Return the first sentence of a page's first paragraph of prose."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            return line.strip().split(". ")[0].rstrip(".")
    return ""
