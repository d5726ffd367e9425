"""Words of the domain as types: status, health, capabilities, plugin facts."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from devkit_core.errors import DevKitError, Problem

if TYPE_CHECKING:
    from devkit_core.model.manifest import Manifest

__all__ = ["CAPABILITIES", "Discovered", "PluginHealth", "PluginInfo", "PluginStatus", "capability"]


class PluginStatus(enum.StrEnum):
    """Where a plugin is in its life; `lifecycle` has the table of moves."""

    DISCOVERED = "discovered"
    RESOLVED = "resolved"
    LOADING = "loading"
    ACTIVE = "active"
    RUNNING = "running"
    STOPPED = "stopped"
    ERROR = "error"
    DISABLED = "disabled"
    UNINSTALLING = "uninstalling"


class PluginHealth(enum.StrEnum):
    """How a loaded plugin does."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


CAPABILITIES = (
    "CodeAnalysis",
    "CodeGeneration",
    "CodeFormatting",
    "Completion",
    "Diagnostics",
    "VersionControl",
    "DependencyManagement",
    "Testing",
    "Documentation",
)
_BY_LETTERS = {name.lower(): name for name in CAPABILITIES}


def capability(text: str) -> str:
    """Return a capability's one spelling: `code-analysis`, `code_analysis` and `CodeAnalysis` are the same.

    A name that isn't one of `CAPABILITIES` is a custom capability and returned as it is written.
    """
    return _BY_LETTERS.get(text.replace("-", "").replace("_", "").lower(), text)


class Discovered(NamedTuple):
    """One plugin as a source found it: usable (`manifest`) or not (`error`); no code of it has run.

    `id` is the folder's name where the manifest can't be read. `shadowed_by` names the nearer source
    that has the same id.
    """

    id: str
    folder: Path
    source: str  # the name of the source that found it, as `project` or `user`
    manifest: Manifest | None = None
    error: DevKitError | None = None
    warnings: tuple[Problem, ...] = ()
    shadowed_by: str | None = None


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """What a listing shows of a plugin."""

    id: str
    name: str
    version: str
    description: str
    author: str
    kind: str  # the loader's name, as `python`; empty where none is known
    source: str
    folder: str
    status: PluginStatus
    enabled: bool = True
    health: PluginHealth = PluginHealth.UNKNOWN
    capabilities: tuple[str, ...] = ()
    load_seconds: float | None = None
    error: str | None = None
    error_code: str | None = None
    shadowed_by: str | None = None
    warnings: int = field(default=0)
