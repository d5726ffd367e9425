"""The one door for loaders and extensions: all they may import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "Authority",
    "Call",
    "CallTimeout",
    "Check",
    "CommandSpec",
    "DevKitError",
    "Enforcement",
    "Entry",
    "EntryPointError",
    "ExecutionError",
    "Finding",
    "Fit",
    "Found",
    "FunctionMissing",
    "InitializeFailed",
    "Instance",
    "Limits",
    "LoadError",
    "LoadRequest",
    "Loader",
    "Manifest",
    "PayloadTooLarge",
    "PendingCall",
    "Permission",
    "PermissionRequest",
    "Place",
    "PluginEvent",
    "PluginRaised",
    "Problem",
    "Query",
    "Reach",
    "Release",
    "ReleaseNeed",
    "ResourceExhausted",
    "Result",
    "Runtime",
    "SearchResult",
    "Source",
    "WorkerCrashed",
    "WorkerLoader",
    "WorkerSpec",
    "hookimpl",
    "python_runtime",
    "reach",
]

_HOMES = {
    "Authority": "devkit_core.sandbox.authority",
    "Call": "devkit_core.loading.call",
    "CallTimeout": "devkit_core.errors",
    "Check": "devkit_core.loading.extending",
    "CommandSpec": "devkit_core.loading.extending",
    "DevKitError": "devkit_core.errors",
    "Enforcement": "devkit_core.sandbox.probe",
    "Entry": "devkit_core.loading.loader",
    "EntryPointError": "devkit_core.errors",
    "ExecutionError": "devkit_core.errors",
    "Finding": "devkit_core.loading.extending",
    "Fit": "devkit_core.loading.loader",
    "Found": "devkit_core.loading.source",
    "FunctionMissing": "devkit_core.errors",
    "InitializeFailed": "devkit_core.errors",
    "Instance": "devkit_core.loading.loader",
    "Limits": "devkit_core.sandbox.plan",
    "LoadError": "devkit_core.errors",
    "LoadRequest": "devkit_core.loading.loader",
    "Loader": "devkit_core.loading.loader",
    "Manifest": "devkit_core.model.manifest",
    "PayloadTooLarge": "devkit_core.errors",
    "PendingCall": "devkit_core.workers.pending",
    "Permission": "devkit_core.model.permissions",
    "PermissionRequest": "devkit_core.model.permissions",
    "Place": "devkit_core.errors",
    "PluginEvent": "devkit_core.events.bus",
    "PluginRaised": "devkit_core.errors",
    "Problem": "devkit_core.errors",
    "Query": "devkit_core.loading.source",
    "Reach": "devkit_core.sandbox.reach",
    "Release": "devkit_core.loading.source",
    "ReleaseNeed": "devkit_core.loading.source",
    "ResourceExhausted": "devkit_core.errors",
    "Result": "devkit_core.protocol.messages",
    "Runtime": "devkit_core.sandbox.runtimes",
    "SearchResult": "devkit_core.loading.source",
    "Source": "devkit_core.loading.source",
    "WorkerCrashed": "devkit_core.errors",
    "WorkerLoader": "devkit_core.loading.worker_loader",
    "WorkerSpec": "devkit_core.loading.worker_loader",
    "hookimpl": "devkit_core.hooks.specs",
    "python_runtime": "devkit_core.sandbox.runtimes",
    "reach": "devkit_core.sandbox.reach",
}

if TYPE_CHECKING:
    from devkit_core.errors import (
        CallTimeout,
        DevKitError,
        EntryPointError,
        ExecutionError,
        FunctionMissing,
        InitializeFailed,
        LoadError,
        PayloadTooLarge,
        Place,
        PluginRaised,
        Problem,
        ResourceExhausted,
        WorkerCrashed,
    )
    from devkit_core.events.bus import PluginEvent
    from devkit_core.hooks.specs import hookimpl
    from devkit_core.loading.call import Call
    from devkit_core.loading.extending import Check, CommandSpec, Finding
    from devkit_core.loading.loader import Entry, Fit, Instance, Loader, LoadRequest
    from devkit_core.loading.source import Found, Query, Release, ReleaseNeed, SearchResult, Source
    from devkit_core.loading.worker_loader import WorkerLoader, WorkerSpec
    from devkit_core.model.manifest import Manifest
    from devkit_core.model.permissions import Permission, PermissionRequest
    from devkit_core.protocol.messages import Result
    from devkit_core.sandbox.authority import Authority
    from devkit_core.sandbox.plan import Limits
    from devkit_core.sandbox.probe import Enforcement
    from devkit_core.sandbox.reach import Reach, reach
    from devkit_core.sandbox.runtimes import Runtime, python_runtime
    from devkit_core.workers.pending import PendingCall


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
