"""Options of every command that runs a plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from devkit_core.cli.limits import limit_option

__all__ = ["run_options"]

F = TypeVar("F", bound=Callable[..., Any])


def run_options(function: F) -> F:
    """Add `--timeout`, `--set` (as `given`), `--limit` (as `limits`) and `--allow-unconfined`."""
    options = (
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="S",
            help="Seconds a call may take.",
        ),
        click.option(
            "--set",
            "given",
            multiple=True,
            metavar="KEY=VALUE",
            help="A setting of the plugin's own, for this run.",
        ),
        limit_option,
        click.option(
            "--allow-unconfined",
            is_flag=True,
            help="Run even where this machine can't enforce what wasn't granted.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
