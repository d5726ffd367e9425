"""Limits of plugins, as options and as lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from devkit_core.config.sources import Origin
from devkit_core.errors import ConfigError, UsageError
from devkit_core.model.limits import EVERY, Held, given_limits

if TYPE_CHECKING:
    from devkit_core.config.schema import PluginSystemConfig

__all__ = ["input_bytes", "limit_data", "limit_lines", "limit_option", "limits_for"]

F = TypeVar("F", bound=Callable[..., Any])


def limit_option(function: F) -> F:
    """Add `--limit` to a command that runs plugins."""
    return click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="NAME=N",
        help="A limit for this run, as memory_mb=512; it goes over manifest and settings.",
    )(function)


def limits_for(plugin: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return entries of the setting `limits` for what `--limit` gave; raises UsageError."""
    entries = tuple(f"{plugin}:{each}" for each in given)
    for each in entries:
        try:
            given_limits([each])
        except ConfigError as error:
            hint = error.hint and error.hint.replace("ID:", "--limit ")
            raise UsageError(error.message.replace(f"{plugin}:", "", 1), hint=hint) from None
    return entries


def input_bytes(config: PluginSystemConfig, plugin: str) -> int:
    """Return how many bytes of an input are read for a plugin, whose own limit may still be lower."""
    given = given_limits(config.limits)
    mib = {**given.get(EVERY, {}), **given.get(plugin, {})}.get("payload_mb", config.max_payload_mb)
    return int(mib) << 20


def limit_data(found: Iterable[Held]) -> dict[str, dict[str, Any]]:
    """Return the limits JSON-ready, by name."""
    return {
        each.limit.name: {
            "value": each.value,
            "unit": each.limit.unit,
            "by": each.by,
            "key": _key(each),
            "error": each.limit.code,
        }
        for each in found
    }


def limit_lines(found: Iterable[Held], origins: Mapping[str, Origin]) -> Iterator[str]:
    """Yield a line for each limit: its name, what holds and where that comes from."""
    for each in found:
        value = "none" if each.value is None else f"{each.value:,g} {each.limit.unit}".rstrip()
        origin = "plugin.toml" if each.by == "manifest" else str(origins[_key(each)])
        yield f"{each.limit.name:<14}{value:<16}{_key(each)} ({origin})"


def _key(each: Held) -> str:
    """Return what sets it: a key of the manifest, or a setting."""
    if each.by == "manifest":
        return each.limit.key
    return "limits" if each.by == "user" else each.limit.setting
