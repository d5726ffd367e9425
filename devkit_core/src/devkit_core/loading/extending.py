"""What extensions return from hooks: commands and checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "CommandSpec", "Finding"]


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command of `devkit` that is imported when it is used: `target` is `module:attribute`.

    `name` may have two words to join a group of the core's: `plugin frobnicate`. `help` is one line.
    """

    name: str
    target: str
    help: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `devkit doctor`."""

    subject: str
    level: Literal["ok", "info", "warning", "error"]
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A named check; `run` returns findings and runs no plugin code."""

    name: str
    run: Callable[[], Sequence[Finding]]
