"""The limits of one plugin, by manifest, settings and user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devkit_core.model.limits import LIMITS, Held, held
from devkit_core.model.manifest import Manifest

if TYPE_CHECKING:
    from devkit_core.config.schema import PluginSystemConfig

__all__ = ["limits_of"]


def limits_of(manifest: Manifest, config: PluginSystemConfig) -> tuple[Held, ...]:
    """Return every limit; a manifest may lower the host's, never raise them."""
    tables = (manifest.limits, manifest.timeouts)
    asked = {
        each.key: value
        for table in tables
        for each in LIMITS
        if (value := getattr(table, each.key, None)) is not None
    }
    settings = {each.setting: getattr(config, each.setting) for each in LIMITS}
    return held(manifest.id, asked, settings, config.limits)
