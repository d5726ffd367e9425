"""devkit plugin check: mistakes in a plugin's folder, found without running it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from devkit_core.cli.checking import Checked, check
from devkit_core.cli.errors import render_problem
from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Rendered, Styled, View
from devkit_core.cli.session import Session

__all__ = ["check_"]


@command(
    "check",
    examples=(
        "devkit plugin check plugins/my-plugin",
        "devkit plugin check --strict plugins/my-plugin plugins/other",
        "devkit plugin check . --format json",
    ),
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings fail too.")
@click.pass_context
@pass_session
def check_(session: Session, context: click.Context, paths: tuple[Path, ...], strict: bool) -> None:
    """Check plugins' folders: manifest, entry point and its text. Runs nothing of them.

    Problems go to stdout, each with its file, line and code; the exit code is 1 where there is an error.
    """
    loaders = session.extensions.loaders()
    checked = [check(path, loaders, session.settings.config.loader_order) for path in paths]
    ok = all(each.ok(strict=strict) for each in checked)
    session.output.data(
        "plugin-check/1",
        {
            "ok": ok,
            "checked": [
                {
                    "path": each.path,
                    "id": each.id,
                    "kind": each.kind,
                    "ok": each.ok(strict=strict),
                    "problems": [asdict(problem) for problem in each.problems],
                }
                for each in checked
            ],
        },
        lambda: _view(checked, strict, colour=session.output.colour),
    )
    if not ok:
        context.exit(Exit.FAILED)


def _view(checked: list[Checked], strict: bool, *, colour: bool) -> View:
    for each in checked:
        for problem in each.problems:
            yield Rendered(render_problem(problem, colour=colour) + "\n")
        errors = sum(not problem.warning for problem in each.problems)
        warnings = len(each.problems) - errors
        counts = [
            f"{number} {noun}{'s' if number > 1 else ''}"
            for number, noun in ((errors, "error"), (warnings, "warning"))
            if number
        ]
        ok = each.ok(strict=strict)
        yield Styled(
            f"{each.path}: {'ok' if ok else 'not ok'}{(counts and ', ' + ', '.join(counts)) or ''}",
            "good" if ok else "bad",
        )
