"""One run of the command line: its options, and the rooms it asks."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import cast

from devkit_core.cli.output import Format, Output

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
        if self.no_input or os.environ.get("DEVKIT_NO_INPUT"):
            return False
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
