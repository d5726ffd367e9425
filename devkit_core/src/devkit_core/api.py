"""The one door for loaders and extensions: all they may import.

Each name is imported when it is first used, those of the command line and of packing too: nothing below
imports them, and an extension that has no commands never loads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "Authority",
    "Call",
    "CallQueue",
    "CallTimeout",
    "Check",
    "Child",
    "CommandSpec",
    "ConfigError",
    "DependencyConflict",
    "DevKitError",
    "Enforcement",
    "Entry",
    "EntryPointError",
    "ExecutionError",
    "Facts",
    "Finding",
    "Fit",
    "Found",
    "FunctionMissing",
    "Group",
    "InitializeFailed",
    "Instance",
    "IntegrityError",
    "Limits",
    "Lines",
    "LoadError",
    "LoadRequest",
    "Loader",
    "LocalCalls",
    "Log",
    "Manifest",
    "ManifestError",
    "NetworkError",
    "NotFound",
    "PayloadTooLarge",
    "PendingCall",
    "Permission",
    "PermissionDenied",
    "PermissionRequest",
    "Place",
    "Places",
    "PluginEvent",
    "PluginRaised",
    "PluginSystemConfig",
    "Problem",
    "Query",
    "Reach",
    "Release",
    "ReleaseNeed",
    "ResourceExhausted",
    "Result",
    "Runtime",
    "SearchResult",
    "Session",
    "Source",
    "StateError",
    "Styled",
    "Table",
    "UsageError",
    "WorkerCrashed",
    "WorkerLoader",
    "WorkerSpec",
    "collect",
    "command",
    "dry_run",
    "hookimpl",
    "how_to_raise",
    "pack",
    "parse_package",
    "parse_version",
    "pass_session",
    "python_runtime",
    "reach",
    "read_bounded",
    "read_manifest",
    "select",
]

_HOMES = {
    "Authority": "devkit_core.sandbox.authority",
    "Call": "devkit_core.loading.call",
    "CallQueue": "devkit_core.workers.call_queue",
    "CallTimeout": "devkit_core.errors",
    "Check": "devkit_core.loading.extending",
    "Child": "devkit_core.cli.grammar",
    "CommandSpec": "devkit_core.loading.extending",
    "ConfigError": "devkit_core.errors",
    "DependencyConflict": "devkit_core.errors",
    "DevKitError": "devkit_core.errors",
    "Enforcement": "devkit_core.sandbox.probe",
    "Entry": "devkit_core.loading.loader",
    "EntryPointError": "devkit_core.errors",
    "ExecutionError": "devkit_core.errors",
    "Facts": "devkit_core.cli.output",
    "Finding": "devkit_core.loading.extending",
    "Fit": "devkit_core.loading.loader",
    "Found": "devkit_core.loading.offers",
    "FunctionMissing": "devkit_core.errors",
    "Group": "devkit_core.cli.grammar",
    "InitializeFailed": "devkit_core.errors",
    "Instance": "devkit_core.loading.loader",
    "IntegrityError": "devkit_core.errors",
    "Limits": "devkit_core.sandbox.plan",
    "LoadError": "devkit_core.errors",
    "LoadRequest": "devkit_core.loading.loader",
    "Lines": "devkit_core.workers.lines",
    "LocalCalls": "devkit_core.workers.local_calls",
    "Loader": "devkit_core.loading.loader",
    "Log": "devkit_core.workers.output",
    "Manifest": "devkit_core.model.manifest",
    "ManifestError": "devkit_core.errors",
    "NetworkError": "devkit_core.errors",
    "NotFound": "devkit_core.errors",
    "PayloadTooLarge": "devkit_core.errors",
    "PendingCall": "devkit_core.workers.pending",
    "Permission": "devkit_core.model.permissions",
    "PermissionDenied": "devkit_core.errors",
    "PermissionRequest": "devkit_core.model.permissions",
    "Place": "devkit_core.errors",
    "Places": "devkit_core.config.places",
    "PluginEvent": "devkit_core.events.bus",
    "PluginRaised": "devkit_core.errors",
    "PluginSystemConfig": "devkit_core.config.schema",
    "Problem": "devkit_core.errors",
    "Query": "devkit_core.loading.offers",
    "Reach": "devkit_core.sandbox.reach",
    "Release": "devkit_core.loading.offers",
    "ReleaseNeed": "devkit_core.loading.offers",
    "ResourceExhausted": "devkit_core.errors",
    "Result": "devkit_core.protocol.messages",
    "Runtime": "devkit_core.sandbox.runtimes",
    "SearchResult": "devkit_core.loading.offers",
    "Session": "devkit_core.cli.session",
    "Source": "devkit_core.loading.source",
    "StateError": "devkit_core.errors",
    "Styled": "devkit_core.cli.output",
    "Table": "devkit_core.cli.output",
    "UsageError": "devkit_core.errors",
    "WorkerCrashed": "devkit_core.errors",
    "WorkerLoader": "devkit_core.loading.worker_loader",
    "WorkerSpec": "devkit_core.loading.worker_loader",
    "collect": "devkit_core.catalog.packing",
    "command": "devkit_core.cli.grammar",
    "dry_run": "devkit_core.cli.grammar",
    "hookimpl": "devkit_core.hooks.specs",
    "how_to_raise": "devkit_core.model.limits",
    "pack": "devkit_core.catalog.packing",
    "parse_package": "devkit_core.model.packages",
    "parse_version": "devkit_core.model.versions",
    "pass_session": "devkit_core.cli.grammar",
    "python_runtime": "devkit_core.sandbox.runtimes",
    "reach": "devkit_core.sandbox.reach",
    "read_bounded": "devkit_core.config.files",
    "read_manifest": "devkit_core.loading.folder",
    "select": "devkit_core.loading.searching",
}

if TYPE_CHECKING:
    from devkit_core.catalog.packing import collect, pack
    from devkit_core.cli.grammar import Child, Group, command, dry_run, pass_session
    from devkit_core.cli.output import Facts, Styled, Table
    from devkit_core.cli.session import Session
    from devkit_core.config.files import read_bounded
    from devkit_core.config.places import Places
    from devkit_core.config.schema import PluginSystemConfig
    from devkit_core.errors import (
        CallTimeout,
        ConfigError,
        DependencyConflict,
        DevKitError,
        EntryPointError,
        ExecutionError,
        FunctionMissing,
        InitializeFailed,
        IntegrityError,
        LoadError,
        ManifestError,
        NetworkError,
        NotFound,
        PayloadTooLarge,
        PermissionDenied,
        Place,
        PluginRaised,
        Problem,
        ResourceExhausted,
        StateError,
        UsageError,
        WorkerCrashed,
    )
    from devkit_core.events.bus import PluginEvent
    from devkit_core.hooks.specs import hookimpl
    from devkit_core.loading.call import Call
    from devkit_core.loading.extending import Check, CommandSpec, Finding
    from devkit_core.loading.folder import read_manifest
    from devkit_core.loading.loader import Entry, Fit, Instance, Loader, LoadRequest
    from devkit_core.loading.offers import Found, Query, Release, ReleaseNeed, SearchResult
    from devkit_core.loading.searching import select
    from devkit_core.loading.source import Source
    from devkit_core.loading.worker_loader import WorkerLoader, WorkerSpec
    from devkit_core.model.limits import how_to_raise
    from devkit_core.model.manifest import Manifest
    from devkit_core.model.packages import parse_package
    from devkit_core.model.permissions import Permission, PermissionRequest
    from devkit_core.model.versions import parse_version
    from devkit_core.protocol.messages import Result
    from devkit_core.sandbox.authority import Authority
    from devkit_core.sandbox.plan import Limits
    from devkit_core.sandbox.probe import Enforcement
    from devkit_core.sandbox.reach import Reach, reach
    from devkit_core.sandbox.runtimes import Runtime, python_runtime
    from devkit_core.workers.call_queue import CallQueue
    from devkit_core.workers.lines import Lines
    from devkit_core.workers.local_calls import LocalCalls
    from devkit_core.workers.output import Log
    from devkit_core.workers.pending import PendingCall


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
