"""What this distribution tells DevKit; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devkit_core.api import hookimpl

if TYPE_CHECKING:
    from devkit_core.api import Check, CommandSpec, Places, PluginSystemConfig, Source


@hookimpl
def devkit_register_sources(config: PluginSystemConfig, places: Places) -> Sequence[Source]:
    from devkit_marketplace.catalogues import catalogues

    return catalogues(config, places)


@hookimpl
def devkit_register_commands() -> Sequence[CommandSpec]:
    from devkit_core.api import CommandSpec

    target = "devkit_marketplace.commands:marketplace"
    return [CommandSpec("marketplace", target, "Show catalogues of plugins, and make one.")]


@hookimpl
def devkit_register_checks() -> Sequence[Check]:
    from devkit_marketplace.checks import checks

    return checks()
