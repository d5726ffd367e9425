"""Commands that installed extensions add to the tree."""

from __future__ import annotations

from functools import cache

from devkit_core.cli.grammar import Child

__all__ = ["commands_of"]


@cache
def _specs() -> dict[str, Child]:
    from devkit_core.hooks.extensions import Extensions

    extensions = Extensions()
    extensions.load("devkit.extensions")
    extensions.load("devkit.loaders")
    return {" ".join(spec.name.split()): Child(spec.target, spec.help) for spec in extensions.commands()}


def commands_of(group: str) -> dict[str, Child]:
    """Return what extensions add to a group, `""` being the root: names of one word, and their commands."""
    found = {}
    for name, child in _specs().items():
        lead, _, last = name.rpartition(" ")
        if lead == group and last:
            found[last] = child
    return found
