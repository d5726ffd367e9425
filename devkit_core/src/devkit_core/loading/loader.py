"""Loader and Instance: what a loader author subclasses."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from asyncio import Future
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.loading.call import Result

if TYPE_CHECKING:
    from devkit_core.model.manifest import Manifest
    from devkit_core.sandbox.authority import Authority

__all__ = ["Entry", "Fit", "Instance", "LoadRequest", "Loader"]


class Fit(enum.IntEnum):
    """How sure a loader is that an entry point is its own; the surest loader gets it."""

    NO = 0
    EXTENSION = 10
    SHEBANG = 20
    MAGIC = 30
    DECLARED = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A plugin's entry point: `extension` in lower case with its dot, `head` its first 4096 bytes.

    `declared` is the manifest's `[runtime] type`, in lower case, where it has one.
    """

    path: Path
    extension: str
    head: bytes
    declared: str | None = None

    @property
    def shebang(self) -> str:
        """The first line after `#!`, or nothing."""
        if not self.head.startswith(b"#!"):
            return ""
        return self.head[2:].split(b"\n", 1)[0].decode("utf-8", "replace").strip()


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """All a loader needs to start one instance.

    `log` takes one line of the plugin's own output and its stream, `stdout` or `stderr`; it never blocks.
    `closed` is called once when an instance that had started ends, with why.
    `confined` False means that the user allowed this plugin to run without confinement.
    """

    id: str
    folder: Path
    entry: Entry
    manifest: Manifest
    authority: Authority
    confined: bool
    log: Callable[[str, str], None]
    closed: Callable[[Exception | None], None]
    settings: Mapping[str, float] = field(default_factory=dict)


class Instance(ABC):
    """One loaded plugin, in a worker or in this process.

    The supervisor calls these in this order: initialize, calls, shutdown, close.
    """

    #: function names to numbers; `execute` is 0
    functions: Mapping[str, int]
    #: the worker's process id, None in-process
    pid: int | None = None

    @abstractmethod
    async def initialize(self, seconds: float) -> None:
        """Run the plugin's initialize; raises InitializeFailed."""

    @abstractmethod
    def call(self, function: int, data: bytes, text: bool, seconds: float | None) -> Future[Result]:
        """Send one call at once and return the future of its result; the future's errors are ExecutionErrors.

        Cancelling the future cancels the call in the plugin.
        """

    @abstractmethod
    async def shutdown(self, seconds: float) -> None:
        """Run the plugin's shutdown; what it raises is logged, never raised."""

    @abstractmethod
    async def close(self) -> None:
        """End the instance and free all it holds; may be called at any time, any number of times."""


class Loader(ABC):
    """Runs one kind of plugin.

    `name` is the kind, as `python`; `runtime` the virtual package it provides, as `python-runtime`.
    """

    name: str
    extensions: frozenset[str] = frozenset()
    templates: Mapping[str, Path] = {}  # languages that `devkit plugin new --lang` can scaffold: their folders

    def probe(self, entry: Entry) -> Fit:
        """Say how sure this loader is that the entry is its own; called by the factory, reads nothing."""
        if entry.declared is not None:
            return Fit.DECLARED if entry.declared == self.name else Fit.NO
        return Fit.EXTENSION if entry.extension in self.extensions else Fit.NO

    @abstractmethod
    async def start(self, request: LoadRequest) -> Instance:
        """Start an instance that is ready for initialize; called by the supervisor. Raises LoadError."""

    def check(self, entry: Entry, source: bytes) -> list[str]:
        """Return what is plainly wrong with an entry's text; called by `plugin check`, runs nothing of it."""
        return []

    async def close(self) -> None:
        """Free what the loader shares between instances; called when the manager closes."""
