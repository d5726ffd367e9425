"""The tables of a plugin.toml as frozen types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from devkit_core.model.config_fields import ConfigField, Key

__all__ = [
    "CapabilityEntry",
    "Data",
    "Dependency",
    "Function",
    "Limits",
    "Manifest",
    "Metadata",
    "PermissionTable",
    "Python",
    "Restart",
    "Runtime",
    "Security",
    "Timeouts",
    "frozen",
]

Data: TypeAlias = Mapping[str, Any]  # plain data: mappings, tuples, texts, numbers, booleans, dates

_NONE: Data = MappingProxyType({})
ID_PATTERN = "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"

Id = Annotated[str, Meta(pattern=ID_PATTERN, max_length=64)]
Line = Annotated[str, Meta(max_length=200)]
PluginVersion = Annotated[str, Meta(min_length=1, max_length=256, examples=["1.0.0", "1.1.0-rc.1"])]
Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


Permissions = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=1024)], ...], Meta(max_length=100)]


class Metadata(Struct, frozen=True, kw_only=True):
    """Who the plugin is and where it starts."""

    id: Annotated[Id, Meta(description="The plugin's one name: a-z, 0-9 and hyphens inside.")]
    name: Annotated[str, Meta(min_length=1, max_length=100, description="The name that people read.")]
    version: Annotated[PluginVersion, Meta(description="X.Y.Z, with -alpha.N, -beta.N or -rc.N.")]
    description: Annotated[str, Meta(max_length=1000, description="What it does, in one line.")]
    author: Annotated[Line, Meta(description="Who wrote it.")]
    entry_point: Annotated[
        str,
        Meta(
            min_length=1, max_length=255, description="The file that is loaded, inside the plugin's folder."
        ),
    ]
    license: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(description="An SPDX licence expression.", examples=["MIT", "MIT OR Apache-2.0"]),
    ] = None
    homepage: Annotated[Line | None, Meta(description="An http or https address.")] = None
    repository: Annotated[Line | None, Meta(description="Where its source is kept.")] = None
    tags: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=50)], ...],
        Meta(max_length=50, description="Words that a search finds it by."),
    ] = ()
    created_at: Annotated[Moment | None, Meta(description="When it was first published (RFC 3339).")] = None
    updated_at: Annotated[Moment | None, Meta(description="When this version was made (RFC 3339).")] = None
    min_devkit_version: Annotated[PluginVersion | None, Meta(description="The oldest DevKit it runs on.")] = (
        None
    )
    max_devkit_version: Annotated[PluginVersion | None, Meta(description="The newest DevKit it runs on.")] = (
        None
    )


class Dependency(Struct, frozen=True, kw_only=True):
    """Another plugin, or a runtime as `python-runtime`, that must be there first."""

    id: Annotated[Id, Meta(description="The id of the plugin or runtime.")]
    version: Annotated[
        str,
        Meta(min_length=1, max_length=256, description="Which versions will do.", examples=[">=3.8", "^1.2"]),
    ] = "*"
    optional: Annotated[bool, Meta(description="Load without it where it is missing.")] = False
    reason: Annotated[Line | None, Meta(description="Why it is needed.")] = None


class CapabilityEntry(Struct, frozen=True, kw_only=True):
    """One `[[capabilities]]` table; a manifest's capabilities are their names alone."""

    capability: Annotated[
        str, Meta(min_length=1, max_length=64, description="A known capability, or Custom.")
    ]
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=64)] | None,
        Meta(description="The name of a capability of its own."),
    ] = None


class PermissionTable(Struct, frozen=True, kw_only=True):
    """The `[permissions]` table; a manifest's permissions are the list in it."""

    permissions: Annotated[Permissions, Meta(description="What the plugin asks to be allowed.")] = ()


class Limits(Struct, frozen=True, kw_only=True):
    """What the plugin's worker may use at most; None leaves it to the host's setting."""

    max_memory_mb: Annotated[
        Annotated[int, Meta(ge=1, le=1_048_576)] | None,
        Meta(description="Memory over what the idle worker uses, in MiB."),
    ] = None
    max_open_files: Annotated[
        Annotated[int, Meta(ge=16, le=65_536)] | None, Meta(description="Open files at one time.")
    ] = None
    max_cpu_seconds: Annotated[
        Annotated[int, Meta(ge=1, le=31_536_000)] | None,
        Meta(description="Processor time of the worker's whole life, in seconds."),
    ] = None
    max_threads: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None, Meta(description="Threads at one time.")
    ] = None
    max_disk_usage_mb: Annotated[
        Annotated[int, Meta(ge=1, le=1_048_576)] | None,
        Meta(description="What its scratch folder may hold, in MiB."),
    ] = None
    max_scratch_files: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)] | None,
        Meta(description="Files and folders in its scratch folder."),
    ] = None
    max_output_kb: Annotated[
        Annotated[int, Meta(ge=1, le=1_048_576)] | None,
        Meta(description="What it may print in a second, in KiB; what is more is dropped."),
    ] = None
    max_log_lines: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Lines that it may print in a second; what is more is dropped."),
    ] = None
    max_payload_mb: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="What one input or one result may have, in MiB."),
    ] = None


class Timeouts(Struct, frozen=True, kw_only=True):
    """How long the plugin may take, in seconds; None leaves it to the host's setting."""

    init_timeout_seconds: Annotated[Seconds | None, Meta(description="For initialize.")] = None
    execution_timeout_seconds: Annotated[Seconds | None, Meta(description="For one call.")] = None
    shutdown_timeout_seconds: Annotated[Seconds | None, Meta(description="For shutdown.")] = None
    idle_timeout_seconds: Annotated[
        Seconds | None, Meta(description="Without a call, after which it is stopped until the next.")
    ] = None


class Restart(Struct, frozen=True, kw_only=True):
    """How many restarts are too many; None leaves it to the host's setting."""

    max_restarts: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | None,
        Meta(description="Restarts in that time; with one more calls fail at once, for a while."),
    ] = None
    within_seconds: Annotated[Seconds | None, Meta(description="The time in which they are counted.")] = None
    cool_down_seconds: Annotated[
        Seconds | None, Meta(description="How long calls fail then, before it is tried again.")
    ] = None


class Security(Struct, frozen=True, kw_only=True):
    """What a manifest may say of its own confinement: nothing that loosens it."""

    enable_sandbox: Annotated[
        bool,
        Meta(
            description="Only true: a plugin can't lift its own confinement.",
            extra_json_schema={"const": True},
        ),
    ] = True


class Runtime(Struct, frozen=True, kw_only=True):
    """How the plugin is run."""

    type: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)] | None,
        Meta(description="The loader to use, where the entry point doesn't tell.", examples=["python"]),
    ] = None
    activation: Annotated[
        Literal["eager", "on-demand"], Meta(description="Started when it is loaded, or by its first call.")
    ] = "eager"
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=64)], Meta(description="How many run at once, and share the calls.")
    ] = 1
    idempotent: Annotated[
        bool, Meta(description="Any of its calls may be tried again where its worker ended.")
    ] = False
    env: Annotated[
        Mapping[
            Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)],
            Annotated[str, Meta(max_length=32_768)],
        ],
        Meta(max_length=256, description="Variables that the worker's environment gets."),
    ] = msgspec.field(default_factory=lambda: _NONE)
    limits: Annotated[Limits, Meta(description="What the worker may use at most.")] = msgspec.field(
        default_factory=Limits
    )
    timeouts: Annotated[Timeouts, Meta(description="How long the plugin may take.")] = msgspec.field(
        default_factory=Timeouts
    )
    restart: Annotated[Restart, Meta(description="How many restarts are too many.")] = msgspec.field(
        default_factory=Restart
    )
    security: Annotated[Security, Meta(description="Nothing here loosens the confinement.")] = msgspec.field(
        default_factory=Security
    )


class Python(Struct, frozen=True, kw_only=True):
    """What a Python plugin needs besides the standard library."""

    requires: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=500, examples=["black>=24"])], ...],
        Meta(max_length=100, description="Packages of the package index, by name and versions."),
    ] = ()


class Function(Struct, frozen=True, kw_only=True):
    """One function of the plugin, described; both schemas are JSON Schemas as plain frozen data."""

    description: Annotated[str, Meta(max_length=1000, description="What it does.")] = ""
    input: Annotated[Data | None, Meta(description="A JSON Schema of its input.")] = None
    output: Annotated[Data | None, Meta(description="A JSON Schema of its result.")] = None
    idempotent: Annotated[
        bool | None, Meta(description="A call may be tried again where its worker ended.")
    ] = None


class Manifest(Struct, frozen=True, kw_only=True):
    """A plugin.toml, whole and checked.

    `permissions` is what the plugin asks for, not what it gets. `build` and `dev` are kept as they are
    written and have no effect.
    """

    manifest_version: Annotated[Literal[1], Meta(description="The format of this file.")] = 1
    metadata: Annotated[Metadata, Meta(description="Who the plugin is and where it starts.")]
    dependencies: Annotated[
        tuple[Dependency, ...], Meta(max_length=50, description="What must be there first.")
    ] = ()
    capabilities: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        Meta(max_length=64, description="What it can do, as CodeAnalysis."),
    ] = ()
    permissions: Annotated[
        Permissions, Meta(description="What it asks to be allowed, as filesystem:read.")
    ] = ()
    runtime: Annotated[Runtime, Meta(description="How the plugin is run.")] = msgspec.field(
        default_factory=Runtime
    )
    python: Annotated[Python, Meta(description="What a Python plugin needs.")] = msgspec.field(
        default_factory=Python
    )
    functions: Annotated[
        Mapping[Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=64)], Function],
        Meta(max_length=256, description="The functions it offers, described."),
    ] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    config: Annotated[
        Mapping[Key, ConfigField], Meta(max_length=100, description="The settings that it takes, described.")
    ] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    build: Annotated[Data, Meta(description="Has no effect: DevKit builds nothing.")] = msgspec.field(
        default_factory=lambda: _NONE
    )
    dev: Annotated[Data, Meta(description="Has no effect.")] = msgspec.field(default_factory=lambda: _NONE)

    @property
    def id(self) -> str:
        """The plugin's id."""
        return self.metadata.id

    @property
    def version(self) -> str:
        """The plugin's version, as it is written; `versions.parse_version` reads it."""
        return self.metadata.version

    @property
    def entry_point(self) -> str:
        """The file that is loaded, relative to the plugin's folder."""
        return self.metadata.entry_point

    @property
    def runtime_type(self) -> str | None:
        """The loader that the manifest names, in lower case."""
        return self.runtime.type

    @property
    def limits(self) -> Limits:
        """What the worker may use at most."""
        return self.runtime.limits

    @property
    def timeouts(self) -> Timeouts:
        """How long the plugin may take."""
        return self.runtime.timeouts

    def as_dict(self) -> dict[str, Any]:
        """Return the manifest as JSON-ready data with the keys of a plugin.toml."""
        data: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_thawed)
        return data


def frozen(value: Any) -> Any:
    """Return plain data with its tables and arrays made read-only, all the way down."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value


def _thawed(value: object) -> Any:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError
