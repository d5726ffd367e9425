"""Starts the `devkit` command, without the pauses of collecting garbage."""

from __future__ import annotations

import gc
from typing import NoReturn

__all__ = ["run"]

_THRESHOLD = 10_000  # objects between collections


def run() -> NoReturn:
    """Run `devkit`: the entry point of the installed command.

    Importing makes many objects and hardly any garbage, yet a tenth of a short command's time would go
    into looking for it.
    """
    gc.disable()
    from devkit_core.cli.main import run as main

    gc.set_threshold(_THRESHOLD)
    gc.freeze()
    gc.enable()
    main()
