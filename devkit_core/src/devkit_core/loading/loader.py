"""Loader and Instance: what a loader author subclasses."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from devkit_core.errors import DevKitError, Problem
    from devkit_core.model.manifest import Manifest
    from devkit_core.protocol.messages import Result
    from devkit_core.sandbox.authority import Authority
    from devkit_core.sandbox.plan import Limits
    from devkit_core.sandbox.probe import Enforcement
    from devkit_core.workers.admission import Share
    from devkit_core.workers.blocking_channel import BlockingChannel
    from devkit_core.workers.deadlines import Deadlines
    from devkit_core.workers.host_calls import Services
    from devkit_core.workers.output import Log
    from devkit_core.workers.pending import PendingCall

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

    `confined` False means that the user allowed this plugin to run without confinement, `trusted` True
    that it may run within this process, where its loader can do that. `scratch` is an
    empty folder of the instance's own, removed when it has ended; `cwd` the host's working directory;
    `cache` the user's folder for what can be made again, which a loader keeps one of its name in;
    `payload_limit` the most bytes of a whole result; `start_seconds` the time the start may take.
    `log` takes one line of the plugin's own output and its stream, `stdout` or `stderr`, or, as `note`, one
    of the loader's own that whoever waits should see; it never blocks, and bounds the lines a second. Bytes
    are the loader's to bound, by `limits.output_kb`, which tells `log.dropped` of those over it.
    `ended` is called once when an instance that was initialized ends by itself, with why and with the
    calls that it had not started: they are submitted again to the next instance.
    `config` holds the values of the plugin's own settings, None where its manifest has none; secrets are
    among them, so they are never logged. `threads` says that threads of the host's wait for calls, so that
    an instance with a `lane` saves them the way through the event loop. `services` is what the host does
    for the plugin when it asks; None where it does nothing. `share` counts the calls that wait for it, which
    an instance that lets calls wait asks first.
    """

    id: str
    folder: Path
    entry: Entry
    manifest: Manifest
    authority: Authority
    confined: bool
    trusted: bool
    enforcement: Enforcement
    limits: Limits
    scratch: Path
    cwd: Path
    cache: Path
    payload_limit: int
    start_seconds: float
    deadlines: Deadlines
    log: Log
    ended: Callable[[DevKitError | None, list[PendingCall]], None]
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    threads: bool = False
    services: Services | None = None
    share: Share | None = None


class Instance(ABC):
    """One loaded plugin, in a worker or in this process.

    The supervisor calls these in this order: initialize, calls, shutdown, close.
    """

    #: function names to numbers; `execute` is 0
    functions: Mapping[str, int]
    #: functions that take their input in pieces too, and the numbers by which they are called for that
    inputs: Mapping[int, int] = {}
    #: the worker's process id, None in-process
    pid: int | None = None
    #: what takes calls of threads directly, where there is such
    lane: BlockingChannel | None = None
    #: Answers a call in the event loop's thread where that takes a moment, given its function, its input,
    #: whether that is text, and its seconds. Raises what the call ends with. None where it takes longer: that
    #: very call is submitted next. It saves what carrying a call takes, which is more than the call itself.
    attempt: Callable[[int, bytes, bool, float], Result | None] | None = None
    #: whether its initialize is given the request's `config`; else a plugin that has settings is refused
    takes_config: bool = False
    #: how many calls it takes at a time; of more than one worker, that of all together
    concurrency: int = 1

    @property
    def in_flight(self) -> int:
        """How many calls it has; of several instances of a plugin the one with the fewest gets the next."""
        return 0

    @abstractmethod
    async def initialize(self, seconds: float) -> None:
        """Run the plugin's initialize; called once by the supervisor. Raises InitializeFailed."""

    @abstractmethod
    def submit(self, call: PendingCall) -> None:
        """Start one call and return at once; called by the supervisor, in the event loop's thread.

        The call ends by `set_result(Result(…))` or `set_exception` with an ExecutionError, from that
        thread. An instance in a process of its own gets deadlines from `workers.Deadlines`; an
        in-process one keeps `call.deadline` (by `time.monotonic`) itself.
        """

    async def configure(self, config: Mapping[str, Any], seconds: float) -> bool:
        """Give the plugin all its settings, some changed; called by the supervisor while calls may run.

        Return False where it has to be started anew for that, which the supervisor then does. Raises
        ConfigError where the plugin refuses them; it runs on with those it had.
        """
        return False

    async def ping(self, seconds: float) -> None:
        """Show that the instance answers; called while it is idle. Raises DevKitError where it doesn't."""
        return

    async def drain(self, seconds: float) -> None:
        """Wait until no call is in flight, at most this long; called when new calls go elsewhere."""
        return

    def end(self, why: DevKitError) -> None:
        """End its process at once, for this reason, which `ended` is told; called where it doesn't answer."""

    @abstractmethod
    async def shutdown(self, seconds: float) -> None:
        """Run the plugin's shutdown; called once by the supervisor. What goes wrong is only logged."""

    @abstractmethod
    async def close(self) -> None:
        """End the instance and free all it holds; called at any time, any number of times."""


class Loader(ABC):
    """Runs one kind of plugin.

    `name` is the kind, as `python`. `templates` are the languages that `devkit plugin new --lang` can
    scaffold, each with its folder. `confinement` says what holds its plugins: `kernel` (a confined
    worker), `runtime` (the runtime itself is the boundary, as with WebAssembly) or `none`, which the user
    must allow. `reads_python` says that it reads the manifest's `[python]`, which has no effect else.
    """

    name: str
    extensions: frozenset[str] = frozenset()
    templates: Mapping[str, Path] = {}
    confinement: Literal["kernel", "runtime", "none"] = "kernel"
    reads_python: bool = False

    def probe(self, entry: Entry) -> Fit:
        """Say how sure this loader is that the entry is its own; called by the factory, reads nothing."""
        if entry.declared is not None:
            return Fit.DECLARED if entry.declared == self.name else Fit.NO
        return Fit.EXTENSION if entry.extension in self.extensions else Fit.NO

    @abstractmethod
    async def start(self, request: LoadRequest) -> Instance:
        """Start an instance that is ready for initialize; called by the supervisor. Raises LoadError."""

    def check(self, entry: Entry, source: bytes) -> Sequence[Problem]:
        """Return what is plainly wrong with an entry's text; called by `plugin check`, runs nothing of it."""
        return ()

    async def close(self) -> None:
        """Free what the loader shares between instances; called when the manager closes."""
