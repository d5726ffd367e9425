"""What a plugin imports to talk to its host: `import devkit_plugin`.

There is such a module in a worker only. A file that also runs by itself imports it in a `try`.

In a thread that runs an event loop, what waits for the host returns an awaitable; elsewhere it blocks.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from . import frames
from .cancelling import Cancelled
from .hosting import Host, HostError

if TYPE_CHECKING:
    from .log_handler import LogHandler

__all__ = [
    "Cancelled",
    "HostError",
    "LogHandler",
    "call",
    "config",
    "event",
    "host",
    "log",
    "progress",
    "store",
    "time_left",
    "trace",
]

_host: Host | None = None
_early: list[tuple[int, dict[str, Any]]] = []  # what was told while the plugin's file was read
_MOST = 256
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_LONGEST = 16 * 1024  # characters of a message
_Answer = tuple[bytes, bool]


class _Log:
    """The plugin's log in the host: `log.info("read", files=3)`."""

    def debug(self, message: object, /, **fields: Any) -> None:
        self._say("debug", message, fields)

    def info(self, message: object, /, **fields: Any) -> None:
        self._say("info", message, fields)

    def warning(self, message: object, /, **fields: Any) -> None:
        self._say("warning", message, fields)

    def error(self, message: object, /, **fields: Any) -> None:
        self._say("error", message, fields)

    def _say(self, level: str, message: object, fields: Mapping[str, Any]) -> None:
        body: dict[str, Any] = {"level": level, "message": str(message)[:_LONGEST]}
        try:
            if fields:
                body["fields"] = json.loads(json.dumps(fields, default=str))
            told = _tell(frames.LOG, body)
        except (HostError, TypeError, ValueError):  # a line of the log is never worth an exception
            told = _tell(frames.LOG, {**body, "fields": {"fields": str(fields)[:_LONGEST]}})
        if not told:
            print(f"{level}: {message}", file=sys.stderr)


class _Store:
    """Values that the host keeps for this plugin between its runs: anything JSON can hold, by key."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or `default` where there is none."""
        return _ask({"name": "store.get", "key": key}, then=lambda a: json.loads(a[0]) if a[0] else default)

    def set(self, key: str, value: Any) -> Any:
        """Keep a value; it is on disk when this returns."""
        return _ask({"name": "store.set", "key": key}, _json(value), True, lambda _: None)

    def delete(self, key: str) -> Any:
        """Forget a value; return whether there was one."""
        return _ask({"name": "store.delete", "key": key}, then=_value)

    def keys(self, prefix: str = "") -> Any:
        """Return the keys that begin so, sorted."""
        return _ask({"name": "store.keys", "prefix": prefix}, then=_value)


class _Config(Mapping[str, Any]):
    """The plugin's settings as they are now; see `[config]` in the manifest."""

    def __getitem__(self, key: str) -> Any:
        return self._now()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return f"<the plugin's settings: {', '.join(self._now())}>"  # no values: some are secrets

    @staticmethod
    def _now() -> dict[str, Any]:
        return _host.config if _host is not None else {}


log: Final = _Log()
store: Final = _Store()
config: Final = _Config()


def event(name: str, /, **data: Any) -> None:
    """Tell the host that something happened; whoever listens there gets it as `plugin-event`.

    The name is of lower-case letters, digits, `.`, `_` and `-`.
    """
    if not _NAME.fullmatch(name):
        raise HostError("host-call-invalid", f"{name[:64]!r} can't be an event's name")
    _tell(frames.EVENT, {"name": name, "data": data})


def progress(done: float, total: float | None = None, message: str = "") -> None:
    """Tell the host how far this call is, in any unit."""
    for number in (done, 0 if total is None else total):
        if not (isinstance(number, (int, float)) and 0 <= number < 1e300):
            raise HostError("host-call-invalid", f"progress is {number!r}, not a number from 0 on")
    body = {"done": float(done), "total": total and float(total), "message": str(message)[:_LONGEST]}
    _tell(frames.PROGRESS, body)


def time_left() -> float | None:
    """Return the seconds until nobody waits for this call any more; None where its caller set no time."""
    until = _host.about()[0] if _host is not None else inf
    return None if until == inf else max(0.0, until - monotonic())


def trace() -> str:
    """Return the W3C trace context (`traceparent`) that this call belongs to, or nothing."""
    return _host.about()[1] if _host is not None else ""


def call(plugin: str, input: Any = "", function: str = "execute", timeout: float | None = None) -> Any:
    """Run another plugin and return its answer; it takes the right `plugin:call=ID`.

    `execute` takes and gives text or bytes. Any other function takes and gives a value.
    """
    head: dict[str, Any] = {"name": "plugin.call", "plugin": plugin, "function": function}
    if timeout is not None:
        head["timeout"] = timeout
    if function == "execute" and isinstance(input, (str, bytes)):
        data, text = (input.encode(), True) if isinstance(input, str) else (input, False)
        return _ask(head, data, text, lambda a: str(a[0], "utf-8") if a[1] else a[0])
    return _ask(head, _json(input), True, _value)


def host(function: str, value: Any = None) -> Any:
    """Call a function that the host exposes, with any JSON or bytes, and return its answer."""
    head = {"name": "host.call", "function": function}
    given = isinstance(value, (bytes, bytearray, memoryview))
    data = bytes(value) if given else _json(value)
    return _ask(head, data, not given, lambda a: json.loads(a[0]) if a[1] else a[0])


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise HostError("host-call-invalid", f"the value can't be written as JSON: {error}") from None


def _value(answer: _Answer) -> Any:
    return json.loads(answer[0])


def _tell(kind: int, body: dict[str, Any]) -> bool:
    if _host is not None:
        return _host.tell(kind, body)
    if len(_early) < _MOST:
        _early.append((kind, body))
    return True


def join(there: Host) -> None:
    """Use this host from now on; called by the worker."""
    global _host  # noqa: PLW0603 - set once a worker
    _host = there
    for kind, body in _early:
        there.tell(kind, body)
    _early.clear()


def _ask(
    head: dict[str, Any], data: bytes = b"", text: bool = True, then: Callable[[_Answer], Any] = _value
) -> Any:
    """Ask the host: an awaitable where this thread runs an event loop, else the answer."""
    if _host is None:
        raise HostError("host-unavailable", "the host can be asked from `initialize` on, not before")
    if _in_loop():
        return _later(_host, head, data, text, then)
    return then(_host.ask(head, data, text))


def _in_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # which a plugin without an event loop never loads
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


async def _later(
    there: Host, head: dict[str, Any], data: bytes, text: bool, then: Callable[[_Answer], Any]
) -> Any:
    return then(await there.ask_async(head, data, text))


def __getattr__(name: str) -> Any:
    if name == "LogHandler":  # `logging` takes as long as many a plugin's start
        from .log_handler import LogHandler

        return LogHandler
    raise AttributeError(f"module 'devkit_plugin' has no attribute {name!r}")
