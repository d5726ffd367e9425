"""DevKit's core: find, load, confine and run plugins in many languages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "DevKitError",
    "EventKind",
    "PluginEvent",
    "PluginHandle",
    "PluginHealth",
    "PluginInfo",
    "PluginManager",
    "PluginStatus",
    "PluginSystemConfig",
    "ScanReport",
    "__version__",
    "errors",
]

_HOMES = {
    "DevKitError": "devkit_core.errors",
    "EventKind": "devkit_core.events.bus",
    "PluginEvent": "devkit_core.events.bus",
    "PluginHandle": "devkit_core.running.handle",
    "PluginHealth": "devkit_core.model.types",
    "PluginInfo": "devkit_core.model.types",
    "PluginManager": "devkit_core.manager",
    "PluginStatus": "devkit_core.model.types",
    "PluginSystemConfig": "devkit_core.config.schema",
    "ScanReport": "devkit_core.manager",
}

if TYPE_CHECKING:
    from devkit_core import errors
    from devkit_core.config.schema import PluginSystemConfig
    from devkit_core.errors import DevKitError
    from devkit_core.events.bus import EventKind, PluginEvent
    from devkit_core.manager import PluginManager, ScanReport
    from devkit_core.model.types import PluginHealth, PluginInfo, PluginStatus
    from devkit_core.running.handle import PluginHandle


def __getattr__(name: str) -> Any:
    import importlib

    if name == "errors":
        return importlib.import_module("devkit_core.errors")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
