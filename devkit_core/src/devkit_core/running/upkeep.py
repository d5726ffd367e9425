"""How many instances a plugin has, when they start, how often again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devkit_core.model.manifest import Manifest
from devkit_core.running.restarts import RestartRules

if TYPE_CHECKING:
    from devkit_core.config.schema import PluginSystemConfig

__all__ = ["Upkeep", "upkeep_of"]


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What manifest and settings say of one plugin; `idle` is in seconds, infinite where it never rests."""

    workers: int
    on_demand: bool
    idle: float
    restarts: RestartRules


def upkeep_of(manifest: Manifest, config: PluginSystemConfig) -> Upkeep:
    """Return it; a manifest may make the rules of restarts stricter than the host's, never looser."""
    asked = manifest.runtime.restart
    most = config.max_restarts
    if asked.max_restarts is not None:
        most = min(asked.max_restarts, most)
    workers = min(manifest.runtime.workers, config.max_workers)
    on_demand = manifest.runtime.activation == "on-demand"
    usual = config.idle_timeout if on_demand else 0.0
    return Upkeep(
        workers=workers,
        on_demand=on_demand,
        idle=manifest.timeouts.idle_timeout_seconds or usual or float("inf"),
        restarts=RestartRules(
            most=most * workers,
            within=max(asked.within_seconds or 0.0, config.restart_window),
            cool_down=max(asked.cool_down_seconds or 0.0, config.circuit_cool_down),
        ),
    )
