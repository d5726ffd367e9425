"""How a running instance does: a ping, and the plugin's own word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from devkit_core.errors import DevKitError, LoadError
from devkit_core.loading.loader import Instance
from devkit_core.model.types import PluginHealth
from devkit_core.workers.pending import PendingCall

__all__ = ["FUNCTION", "check", "check_all", "demand"]

#: the function of the manifest's that says how a plugin does
FUNCTION = "health"
_PING_SECONDS = 5.0
_LONGEST = 64 * 1024  # bytes of an answer
_WORSE = (PluginHealth.HEALTHY, PluginHealth.UNKNOWN, PluginHealth.DEGRADED, PluginHealth.UNHEALTHY)


async def check(plugin: str, instance: Instance, seconds: float) -> tuple[PluginHealth, str | None]:
    """Ask an instance how it does, and return that and why; `seconds` bounds the plugin's own answer.

    A plugin that declares `[functions.health]` answers `"healthy"`, `"degraded"` or `"unhealthy"`, or an
    object with that as `health` and a `message`. One that doesn't is healthy where its worker answers.
    """
    try:
        await instance.ping(_PING_SECONDS)
        number = instance.functions.get(FUNCTION)
        if number is None:
            return PluginHealth.HEALTHY, None
        call = PendingCall(plugin, number, b"null", True, seconds, asyncio.get_running_loop())
        instance.submit(call)
        return _read((await call).data)
    except DevKitError as error:
        return PluginHealth.UNHEALTHY, error.message


async def check_all(
    plugin: str, instances: Sequence[Instance], seconds: float
) -> tuple[PluginHealth, str | None]:
    """Ask several instances at once, and return the answer of the one that does worst."""
    answers = await asyncio.gather(*(check(plugin, each, seconds) for each in instances))
    return max(answers, key=lambda answer: _WORSE.index(answer[0]))


async def demand(plugin: str, instance: Instance, seconds: float) -> tuple[PluginHealth, str | None]:
    """Return what `check` does; raises LoadError where the instance is not fit to take over."""
    health, why = await check(plugin, instance, seconds)
    if health is PluginHealth.UNHEALTHY:
        raise LoadError(
            f"the new instance of `{plugin}` says that it is unhealthy: {why or 'no reason given'}",
            code="plugin-unhealthy",
            plugin=plugin,
        )
    return health, why


def _read(data: bytes) -> tuple[PluginHealth, str | None]:
    if len(data) > _LONGEST:
        return PluginHealth.UNHEALTHY, f"`{FUNCTION}` answered {len(data):,} bytes; at most {_LONGEST:,}"
    try:
        answer = json.loads(data) if data else None
    except (ValueError, RecursionError):
        answer = str(data, "utf-8", "replace")
    why = None
    if isinstance(answer, dict):
        message = answer.get("message")
        why = str(message)[:500] if message else None
        answer = answer.get("health", True)
    if isinstance(answer, bool) or answer is None:
        return (PluginHealth.UNHEALTHY if answer is False else PluginHealth.HEALTHY), why
    if str(answer).lower() in (PluginHealth.HEALTHY, PluginHealth.DEGRADED, PluginHealth.UNHEALTHY):
        return PluginHealth(str(answer).lower()), why
    return PluginHealth.UNHEALTHY, f"`{FUNCTION}` answered {str(answer)[:100]!r}"
