"""PluginManager for programs without an event loop, from any thread."""

from __future__ import annotations

import atexit
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from devkit_core import manager as asynchronous
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.events.bus import EventKind, PluginEvent, Subscription
from devkit_core.events.stats import PluginStats, SystemStats
from devkit_core.hooks.extensions import Extensions
from devkit_core.loading.source import Source
from devkit_core.manager import ScanReport
from devkit_core.model.plugin_config import PluginConfig
from devkit_core.model.types import Discovered, PluginHealth, PluginInfo
from devkit_core.running.background import Background, in_thread
from devkit_core.running.feeding import Pieces, pulled
from devkit_core.running.handle import PluginHandle as AsyncHandle
from devkit_core.running.mapping import IN_FLIGHT, Outcome
from devkit_core.running.thread_calls import ThreadCalls
from devkit_core.workers.interrupts import Interrupts

__all__ = ["Events", "PluginHandle", "PluginManager"]

T = TypeVar("T")


class _Steps(Generic[T]):
    """An async iterator, taken step by step from another thread."""

    def __init__(self, background: Background, make: Callable[[], AsyncIterator[T]]) -> None:
        self._background = background
        self._make = make
        self._items: AsyncIterator[T] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        found = self._background.wait(self._step())
        if not found:
            raise StopIteration
        return found[0]

    async def _step(self) -> tuple[T, ...]:
        if self._items is None:
            self._items = self._make()
        try:
            return (await anext(self._items),)
        except StopAsyncIteration:
            return ()

    async def _leave(self) -> None:
        if self._items is not None and hasattr(self._items, "aclose"):
            await self._items.aclose()

    def close(self) -> None:
        """End it."""
        self._background.finish(self._leave())


class Events(_Steps[PluginEvent]):
    """Events as an iterator that waits for the next; bounded, and it tells what it missed.

    Use it as a context manager, or call `close`; what came before the end is still handed out.
    """

    def __init__(self, background: Background, subscription: Subscription) -> None:
        super().__init__(background, lambda: subscription)
        self._subscription = subscription

    @property
    def missed(self) -> int:
        """How many events were lost, as they came faster than they were taken."""
        return self._subscription.missed

    async def _leave(self) -> None:
        self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PluginHandle:
    """A loaded plugin; stays valid through restarts and reloads, and fails its calls once unloaded."""

    def __init__(self, handle: AsyncHandle, background: Background) -> None:
        self._handle = handle
        self._background = background
        self._calls = ThreadCalls(handle, background) if not handle.has_middleware else None
        if self._calls is not None:
            self.execute = self._calls.execute  # type: ignore[method-assign]  # saves a hop on every call

    @property
    def id(self) -> str:
        """The plugin's id."""
        return self._handle.id

    @property
    def info(self) -> PluginInfo:
        """What a listing shows of it now."""
        return self._background.call(lambda: self._handle.info)

    @property
    def name(self) -> str:
        """The name its manifest gives."""
        return self.info.name

    @property
    def version(self) -> str:
        """The version that is loaded."""
        return self.info.version

    @property
    def takes_pieces(self) -> bool:
        """Whether `execute` reads an input in pieces, as it comes."""
        return self._background.call(lambda: self._handle.takes_pieces)

    @property
    def pid(self) -> int | None:
        """The process id of its worker, None where it has none now."""
        return self._handle.pid

    def ready(self, size: int = 0) -> None:
        """Wait until the plugin takes a further call, with an input of so many bytes, without Overloaded."""
        self._background.wait(self._handle.ready(size))

    def execute(self, input: str | bytes | Pieces = "", timeout: float | None = None) -> str | bytes:
        """Run the plugin's `execute` and return what it returned, text as `str`, anything else as `bytes`.

        An iterator is an input in pieces, as for `stream`; a generator's items come joined. `timeout` is in
        seconds; without one the manifest's stands, or else `execution_timeout`. Raises ExecutionError:
        PluginRaised, CallTimeout, WorkerCrashed, ….
        """
        return self._background.wait(self._handle.execute(_waiting(input), timeout))

    @overload
    def call(self, function: str, input: str | bytes = "", timeout: float | None = None) -> str | bytes: ...
    @overload
    def call(self, function: str, input: object, timeout: float | None = None) -> Any: ...
    def call(self, function: str, input: object = "", timeout: float | None = None) -> Any:
        """Run one of the functions that the manifest's `[functions]` names, checked by its schemas both ways.

        A value goes as JSON, and the answer comes back as a value; JSON text stays text.
        """
        return self._background.wait(self._handle.call(function, input, timeout))

    def invoke(self, function: str, input: Any = None, timeout: float | None = None) -> Any:
        """Run a function as `call` does, with any JSON value, and return the value that it returned."""
        return self._background.wait(self._handle.invoke(function, input, timeout))

    def takes_json(self, function: str) -> bool:
        """Say whether a function takes values: all do but an `execute` that has no schema."""
        return self._background.call(self._handle.takes_json, function)

    def stream(self, input: str | bytes | Pieces = "", timeout: float | None = None) -> Iterator[str | bytes]:
        """Run `execute` and yield its items as they come; a plugin that returns one answer yields that.

        The plugin is held up while items are not taken. Leaving the loop early cancels the call. An iterator
        is an input in pieces, pulled in a thread of its own; where a plugin takes such, it reads each as it
        comes, and others get all as one input.
        """
        return self._taken(lambda: self._handle.stream(_waiting(input), timeout))

    def map(
        self,
        inputs: Iterable[str | bytes],
        *,
        ordered: bool = True,
        timeout: float | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> Iterator[Outcome]:
        """Run `execute` on every input and yield an Outcome for each, in order or as they come.

        Inputs are pulled one by one: at most `in_flight` are unanswered or not taken yet. An error is that
        input's outcome; `Outcome.result()` raises it. `timeout` counts, in seconds, from when a call is the
        oldest in flight. Leaving the loop early cancels what is in flight.
        """
        if self._calls is not None:
            return self._calls.map(inputs, ordered=ordered, timeout=timeout, in_flight=in_flight)
        return self._taken(
            lambda: self._handle.map(inputs, ordered=ordered, timeout=timeout, in_flight=in_flight)
        )

    def _taken(self, make: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        steps = _Steps(self._background, make)
        try:
            yield from steps
        finally:
            steps.close()

    def __repr__(self) -> str:
        return repr(self._handle)


def _waiting(input: str | bytes | Pieces) -> str | bytes | Pieces:
    return pulled(input) if isinstance(input, Iterator) else input


class PluginManager:
    """Finds, loads, runs and stops plugins, for any thread; it needs no event loop, and bears a running one.

    Use it as a context manager, or call `close`; a program that ends closes it. It takes what the
    asynchronous manager takes, and its methods do what that one's do; calls of several threads at once go
    on beside each other. Methods raise DevKitError, with a stable `code`.
    """

    def __init__(
        self,
        config: PluginSystemConfig | None = None,
        *,
        places: Places | None = None,
        extensions: Extensions | None = None,
        sources: Sequence[Source] | None = None,
        control: bool = True,
        plugin_values: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._manager = asynchronous.PluginManager(
            config,
            places=places,
            extensions=extensions,
            sources=sources,
            control=control,
            plugin_values=plugin_values,
            threads=True,
        )
        self._background = Background("devkit")
        self._interrupts = Interrupts()
        self._handles: dict[str, PluginHandle] = {}  # each stays valid, and fails where nothing is loaded
        atexit.register(self.close)

    # -- what there is

    def discover(self) -> list[Discovered]:
        """Look for plugins and return all that were found, broken and shadowed ones too. Runs nothing."""
        return self._background.call(self._manager.discover)

    def list_plugins(self) -> list[PluginInfo]:
        """Return the loaded plugins, in the order they were loaded."""
        return self._background.call(self._manager.list_plugins)

    def list_all(self) -> list[PluginInfo]:
        """Return every plugin that was found: loaded, not loaded, disabled, broken, shadowed."""
        return self._background.call(self._manager.list_all)

    def get_plugin(self, plugin: str) -> PluginHandle | None:
        """Return the handle of a loaded plugin, or None."""
        handle = self._background.call(self._manager.get_plugin, plugin)
        return PluginHandle(handle, self._background) if handle is not None else None

    # -- life

    def scan_and_load_plugins(self) -> ScanReport:
        """Discover and load every enabled plugin, dependencies first; one that fails stops no other."""
        return self._background.wait(self._manager.scan_and_load_plugins())

    def load(self, plugin: str) -> PluginHandle:
        """Load one plugin and what it needs, and return its handle; raises what stopped it."""
        return PluginHandle(self._background.wait(self._manager.load(plugin)), self._background)

    def unload(self, plugin: str, cascade: bool = False) -> None:
        """Shut a plugin down; raises HasDependents where others need it, unless `cascade` takes them too."""
        self._background.wait(self._manager.unload(plugin, cascade))

    def reload(self, plugin: str) -> PluginHandle:
        """Start the plugin anew from its folder beside the old instance and swap; else the old stays."""
        return PluginHandle(self._background.wait(self._manager.reload(plugin)), self._background)

    def enable(self, plugin: str) -> None:
        """Record that a plugin may be loaded, for this user; it is loaded by `load` or the next scan."""
        self._background.wait(self._manager.enable(plugin))

    def disable(self, plugin: str) -> None:
        """Record that a plugin may not be loaded, for this user, and unload it and what needs it."""
        self._background.wait(self._manager.disable(plugin))

    # -- plugins' own settings

    def plugin_config(self, plugin: str) -> PluginConfig:
        """Return the settings of a plugin that are in force, loaded or not."""
        return self._background.call(self._manager.plugin_config, plugin)

    def configure(self, plugin: str, values: Mapping[str, Any]) -> PluginConfig:
        """Set a plugin's settings while this host runs, and return those in force; None takes one back."""
        return self._background.wait(self._manager.configure(plugin, values))

    # -- calls

    def execute(self, plugin: str, input: str | bytes = "", timeout: float | None = None) -> str | bytes:
        """Run a loaded plugin's `execute`; see PluginHandle.execute."""
        return self._loaded(plugin).execute(input, timeout)

    def map(
        self,
        plugin: str,
        inputs: Iterable[str | bytes],
        *,
        ordered: bool = True,
        timeout: float | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> Iterator[Outcome]:
        """Run a loaded plugin over many inputs; see PluginHandle.map."""
        return self._loaded(plugin).map(inputs, ordered=ordered, timeout=timeout, in_flight=in_flight)

    def expose(self, name: str, function: Callable[[Any], Any], *, permission: str | None = None) -> None:
        """Let plugins call a function of this program's, those that have `permission` where one is given.

        It takes a value and returns one, JSON or bytes. Each call runs in a thread of its own, so that it may
        wait, and use this manager; an `async` function runs in the manager's event loop.
        """
        given = function if inspect.iscoroutinefunction(function) else in_thread(function)
        self._background.call(self._manager.expose, name, given, permission=permission)

    # -- what happened

    def subscribe(
        self, plugins: Iterable[str] = (), kinds: Iterable[EventKind | str] = (), size: int = 1000
    ) -> Events:
        """Return the events from now on as an iterator; bounded, and it tells what it missed."""
        return Events(self._background, self._background.call(self._manager.subscribe, plugins, kinds, size))

    @overload
    def stats(self) -> SystemStats: ...
    @overload
    def stats(self, plugin: str) -> PluginStats: ...
    def stats(self, plugin: str | None = None) -> SystemStats | PluginStats:
        """Return the numbers of this manager, or of one plugin; those of an unloaded one stay."""
        if plugin is None:
            return self._background.call(self._manager.stats)
        return self._background.call(self._manager.stats, plugin)

    def check_health(self, plugin: str) -> PluginHealth:
        """Ask a loaded plugin how it does, and note that; a change is an event."""
        return self._background.wait(self._manager.check_health(plugin))

    # -- the end

    def close(self) -> None:
        """Shut every plugin down, dependents first, and free everything; may be called again."""
        atexit.unregister(self.close)
        self._background.finish(self._manager.close())
        self._interrupts.close()
        self._background.close()

    def __enter__(self) -> Self:
        self._background.wait(self._manager.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- inside

    def _loaded(self, plugin: str) -> PluginHandle:
        handle = self._handles.get(plugin)
        if handle is None:
            made = PluginHandle(self._background.call(self._manager.handle, plugin), self._background)
            handle = self._handles.setdefault(plugin, made)
        return handle
