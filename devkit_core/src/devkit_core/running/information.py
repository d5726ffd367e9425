"""What a listing shows of a plugin: what was found, what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devkit_core.model.types import Discovered, PluginHealth, PluginInfo, PluginStatus
from devkit_core.running.factory import kind_of

if TYPE_CHECKING:
    from devkit_core.catalog.state import State
    from devkit_core.hooks.extensions import Extensions
    from devkit_core.running.supervisor import Supervisor

__all__ = ["describe"]


def describe(
    found: Discovered, supervisor: Supervisor | None, extensions: Extensions, state: State
) -> PluginInfo:
    """Return the facts of one plugin; runs nothing of it."""
    manifest = found.manifest
    if supervisor is not None and supervisor.blueprint is not None and found.shadowed_by is None:
        manifest = supervisor.blueprint.manifest
    enabled = state.is_enabled(found.id, found.folder)
    if found.error is not None:
        status = PluginStatus.ERROR
    elif supervisor is not None and found.shadowed_by is None:
        status = supervisor.status
    else:
        status = PluginStatus.DISCOVERED if enabled else PluginStatus.DISABLED
    error = found.error or (supervisor.error if supervisor else None)
    kind = ""
    if supervisor is not None and supervisor.blueprint is not None:
        kind = supervisor.blueprint.loader.name
    elif manifest is not None:
        kind = kind_of(manifest.entry_point, manifest.runtime_type)
    meta = manifest.metadata if manifest else None
    return PluginInfo(
        id=found.id,
        name=meta.name if meta else found.id,
        version=meta.version if meta else "",
        description=meta.description if meta else "",
        author=meta.author if meta else "",
        kind=kind,
        source=found.source,
        folder=str(found.folder),
        status=status,
        enabled=enabled,
        health=supervisor.health if supervisor else PluginHealth.UNKNOWN,
        capabilities=tuple(manifest.capabilities) if manifest else (),
        load_seconds=supervisor.load_seconds if supervisor else None,
        error=error.message if error else None,
        error_code=error.code if error else None,
        shadowed_by=found.shadowed_by,
        warnings=len(found.warnings),
    )
