"""What a host does for its plugins when they ask."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devkit_core.errors import DevKitError, ExecutionError, LoadError, PermissionDenied, UsageError
from devkit_core.events.bus import Bus, EventKind
from devkit_core.events.logs import Logs
from devkit_core.model.permissions import Permission, parse_permission
from devkit_core.protocol.host_calls import HostCall, read_json
from devkit_core.protocol.json_values import check_values
from devkit_core.protocol.messages import Result
from devkit_core.running.links import Links
from devkit_core.running.plugin_store import VALUE_LIMIT, PluginStore, store_file
from devkit_core.sandbox.authority import Authority

if TYPE_CHECKING:
    from devkit_core.running.handle import PluginHandle
    from devkit_core.running.roster import Roster
    from devkit_core.workers.host_calls import Link

__all__ = ["Exposed", "HostServices", "PluginServices"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_OFTEN = 0.05  # seconds between two reports of one plugin's progress
_LINE = 8 * 1024  # characters of a message that are kept


@dataclass(frozen=True, slots=True)
class _Function:
    function: Callable[[Any], Any]
    permission: Permission | None


class Exposed:
    """Functions of the host that its plugins may call, by name."""

    def __init__(self) -> None:
        self._functions: dict[str, _Function] = {}

    def add(self, name: str, function: Callable[[Any], Any], permission: str | None) -> None:
        """Expose a function; raises UsageError for a name or a permission that can't be one."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"{str(name)[:64]!r} can't be a function's name",
                hint="letters, digits, `_`, `.` and `-`, at most 64",
            )
        if not callable(function):
            raise UsageError(f"`{name}` is {type(function).__name__}, not a function")
        needed = parse_permission(permission) if permission is not None else None
        self._functions[name] = _Function(function, needed)

    async def call(self, name: str, data: bytes, text: bool, plugin: str, authority: Authority) -> Result:
        """Run a function for a plugin; what it raises becomes an error with a code."""
        found = self._functions.get(name)
        if found is None:
            have = ", ".join(sorted(self._functions)) or "none"
            raise ExecutionError(
                f"this host has no function {name[:64]!r}",
                code="host-function-missing",
                plugin=plugin,
                hint=f"it exposes: {have}",
            )
        if found.permission is not None and not _has(authority, found.permission):
            raise _denied(plugin, found.permission, f"the host's function `{name}`")
        value = _value(data) if text else data
        try:
            answer = found.function(value)
            if inspect.isawaitable(answer):
                answer = await answer
            if isinstance(answer, (bytes, bytearray, memoryview)):
                return Result(bytes(answer), False)
            return Result(json.dumps(answer, allow_nan=False, separators=(",", ":")).encode(), True)
        except DevKitError:
            raise
        except (Exception, SystemExit, GeneratorExit) as error:  # a plugin's arguments must not end the host
            raise ExecutionError(
                f"the host's function `{name}` failed: {type(error).__name__}: {error}",
                code="host-function-failed",
                plugin=plugin,
            ) from error


class HostServices:
    """Makes what plugins are served by, and holds what they share."""

    def __init__(
        self,
        roster: Roster,
        handle: Callable[[str], PluginHandle],
        exposed: Exposed,
        bus: Bus,
        logs: Logs,
        data: Path,
    ) -> None:
        self.roster = roster
        self.handle = handle
        self.exposed = exposed
        self.bus = bus
        self.logs = logs
        self.links = Links()
        self._data = data
        self._stores: dict[Path, PluginStore] = {}

    def of(self, plugin: str, folder: Path, authority: Authority) -> PluginServices:
        """Return what serves the plugin of this folder, with these rights."""
        path = store_file(self._data, plugin, folder)
        store = self._stores.get(path)
        if store is None:
            store = self._stores[path] = PluginStore(path)
        return PluginServices(self, plugin, authority, store)

    async def close(self) -> None:
        """Close the files; called when no plugin runs any more."""
        for store in self._stores.values():
            store.close()  # in this thread: when the interpreter ends, no other can be had


class PluginServices:
    """What the host does for one plugin."""

    def __init__(self, host: HostServices, plugin: str, authority: Authority, store: PluginStore) -> None:
        self._host = host
        self._plugin = plugin
        self._authority = authority
        self._store = store
        self._message = host.logs.messages(plugin)
        self._told = -math.inf  # when progress was reported last, by the loop's clock
        self._progress: dict[str, Any] | None = None  # what was not reported yet
        self._due = False

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        self._message(level, _shown(message), fields)

    def event(self, name: str, data: Mapping[str, Any]) -> None:
        self._host.bus.publish(EventKind.PLUGIN_EVENT, self._plugin, name=name, data=dict(data))

    def progress(self, done: float, total: float | None, message: str) -> None:
        loop = asyncio.get_running_loop()
        self._progress = {"done": done, "total": total, "message": _shown(message)}
        if loop.time() >= self._told + _OFTEN or (total is not None and done >= total):
            self._report()
        elif not self._due:  # others when their time has come: a watcher needs no more
            self._due = True
            loop.call_at(self._told + _OFTEN, self._report_due)

    def _report_due(self) -> None:
        self._due = False
        self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._told = asyncio.get_running_loop().time()
            made, self._progress = self._progress, None
            self._host.bus.publish(EventKind.PLUGIN_PROGRESS, self._plugin, **made)

    async def perform(self, call: HostCall, parent: Link | None, serial: bool, seconds: float) -> Result:
        match call.name:
            case "store.get":
                value = await asyncio.to_thread(self._store.get, self._text(call, "key"))
                return Result(value or b"", True)
            case "store.set":
                if len(call.data) <= VALUE_LIMIT:  # else it is refused, and not worth reading
                    _value(call.data)
                await asyncio.to_thread(self._store.set, self._text(call, "key"), call.data)
                return Result(b"", True)
            case "store.delete":
                gone = await asyncio.to_thread(self._store.delete, self._text(call, "key"))
                return Result(b"true" if gone else b"false", True)
            case "store.keys":
                keys = await asyncio.to_thread(self._store.keys, self._text(call, "prefix", ""))
                return Result(json.dumps(keys).encode(), True)
            case "plugin.call":
                return await self._call(call, parent, serial, seconds)
            case "host.call":
                name = self._text(call, "function")
                exposed = self._host.exposed
                return await exposed.call(name, call.data, call.text, self._plugin, self._authority)
        raise ExecutionError(
            f"this host knows no call {call.name!r}", code="host-call-unknown", plugin=self._plugin
        )

    async def _call(self, call: HostCall, parent: Link | None, serial: bool, seconds: float) -> Result:
        target, function = self._text(call, "plugin"), self._text(call, "function", "execute")
        needed = parse_permission(f"plugin:call={target}")
        if not _has(self._authority, needed):
            raise _denied(self._plugin, needed, f"the plugin `{target}`")
        supervisor = self._host.roster.get(target)
        if supervisor is None or not supervisor.loaded:
            raise LoadError(
                f"`{target}` is not loaded",
                code="plugin-not-loaded",
                plugin=target,
                hint=f"make it a dependency of `{self._plugin}`, so that it is loaded first",
            )
        handle = self._host.handle(target)
        timeout = call.arguments.get("timeout")
        seconds = min(handle.seconds(timeout), max(seconds, 0.001))
        with self._host.links.opened(self._plugin, target, serial, parent) as link:
            return await handle.relay(function, call.data, call.text, seconds, link)

    def _text(self, call: HostCall, key: str, default: str | None = None) -> str:
        value = call.arguments.get(key, default)
        if isinstance(value, str):
            return value
        raise ExecutionError(
            f"`{call.name}` needs a text `{key}`", code="host-call-invalid", plugin=self._plugin
        )


def _shown(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[:_LINE]} …"


def _has(authority: Authority, needed: Permission) -> bool:
    return any(granted.covers(needed) for granted in authority.granted)


def _denied(plugin: str, needed: Permission, what: str) -> PermissionDenied:
    return PermissionDenied(
        f"`{plugin}` may not call {what}: it has no {needed}",
        plugin=plugin,
        hint=f"its [permissions] have to ask for it; then: devkit plugin permissions grant {plugin} {needed}",
    )


def _value(data: bytes) -> Any:
    try:
        check_values(data, "what the host is given")
        return read_json(data)
    except (ValueError, RecursionError) as error:
        raise ExecutionError(f"the value is no JSON: {error}", code="host-call-invalid") from None
