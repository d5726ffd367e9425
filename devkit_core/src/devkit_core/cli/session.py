"""One run of the command line: its options, and the rooms it asks."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, cast

from devkit_core.cli.output import Format, Output

if TYPE_CHECKING:
    from devkit_core.config.places import Places
    from devkit_core.config.sources import Loaded
    from devkit_core.hooks.extensions import Extensions

__all__ = ["Session"]


class Session:
    """What the options say, and what commands share; everything below is built when it is first asked for."""

    def __init__(self) -> None:
        self.format: str = "table"
        self.colour: str = "auto"
        self.verbosity: int = 0
        self.no_input: bool = False

    @cached_property
    def output(self) -> Output:
        """The streams, in the format and colour that the options ask for."""
        return Output(cast("Format", self.format), self.colour, self.verbosity)

    @property
    def interactive(self) -> bool:
        """Whether the user can be asked: both ends are terminals and nothing forbids it."""
        from devkit_core.config.environment import NO_INPUT, flag

        if self.no_input or flag(os.environ, NO_INPUT):
            return False
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))

    @cached_property
    def places(self) -> Places:
        """The folders of this user and of the project around the current folder."""
        from devkit_core.config.places import Places

        return Places.find()

    @cached_property
    def settings(self) -> Loaded:
        """The settings in force; what is doubtful about them is said once."""
        from devkit_core.config.sources import load

        loaded = load(self.places)
        for problem in loaded.problems:
            self.output.warn(f"{problem.place}: {problem.message}", hint=problem.hint)
        return loaded

    @cached_property
    def extensions(self) -> Extensions:
        """The installed extensions; settings that can't be used don't stand in the way of help."""
        from devkit_core.config.sources import read
        from devkit_core.hooks.extensions import Extensions

        disabled = read(self.places).config.disabled_extensions
        return Extensions(disabled=disabled, cache=self.places.cache / "extensions.json")
