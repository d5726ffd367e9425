"""The functions by which a library talks to its host."""

# Runs in the worker, as library.py does.

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from devkit_loader_native.interface import ffi

__all__ = ["HostTable"]

_LEVELS = ("debug", "info", "warning", "error")
_KEYED = {"store.get": "key", "store.set": "key", "store.delete": "key", "store.keys": "prefix"}
_FAILED = (1 << 8 * ffi.sizeof("size_t")) - 1


class HostTable:
    """A PluginHost for one library; its functions may be called from any thread of the library's.

    What is raised in them never reaches the library: a call then has no answer, and the size of its text
    has all bits set.
    """

    def __init__(self, program: Any) -> None:
        self._program = program
        self._system = ffi.dlopen(None)
        self.pointer = ffi.new("PluginHost *")
        self.pointer.size = ffi.sizeof("PluginHost")
        kinds = dict(ffi.typeof("PluginHost").fields)
        self._kept = [
            ffi.callback(kinds[name].type, function, error=wrong)
            for name, function, wrong in (
                ("log", self._log, None),
                ("event", self._event, -1),
                ("progress", self._progress, -1),
                ("call", self._call, ffi.NULL),
                ("release", self._system.free, None),
            )
        ]
        for name, callback in zip(("log", "event", "progress", "call", "release"), self._kept, strict=True):
            setattr(self.pointer, name, callback)

    def _log(self, level: int, message: Any) -> None:
        from devkit_plugin import log  # type: ignore[import-not-found]  # it is there in a worker

        getattr(log, _LEVELS[min(max(level, 0), 3)])(_text(message))

    def _event(self, name: Any, data: Any) -> int:
        import devkit_plugin

        return _done(lambda: devkit_plugin.event(_text(name), **(json.loads(_text(data) or "{}"))))

    def _progress(self, done: float, total: float, message: Any) -> int:
        import devkit_plugin

        known = total if total >= 0 else None
        return _done(lambda: devkit_plugin.progress(done, known, _text(message)))

    def _call(self, what: Any, data: Any, size: int, answered: Any) -> Any:
        failed = False
        try:
            answer = self._ask(_text(what), bytes(ffi.buffer(data, size)) if size else b"")
        except BaseException as error:  # noqa: BLE001 - C code is below, which nothing may go through
            code = getattr(error, "code", "cancelled" if type(error).__name__ == "Cancelled" else "bug")
            answer, failed = f"{code}: {error.args[0] if error.args else error}".encode(), True
        room = self._system.malloc(len(answer) + 1)
        if room == ffi.NULL:
            return room
        ffi.memmove(room, answer + b"\0", len(answer) + 1)
        if answered != ffi.NULL:
            answered[0] = _FAILED if failed else len(answer)
        return ffi.cast("char *", room)

    def _ask(self, what: str, data: bytes) -> bytes:
        host = self._program.host
        if host is None:
            raise _Unasked("host-unavailable", "the host can be asked from `initialize` on, not before")
        if what == "config":
            return json.dumps(host.config, ensure_ascii=False).encode()
        name, _, rest = what.partition(" ")
        text = True
        head = {"name": name}
        if name in _KEYED:
            head[_KEYED[name]] = rest
        elif name == "plugin.call":
            head["plugin"], _, function = rest.partition(" ")
            head["function"] = function or "execute"
            text = _is_text(data)
        elif name == "host.call":
            head["function"], data = rest, data or b"null"
        elif name == "host.bytes":
            head, text = {"name": "host.call", "function": rest}, False
        else:
            raise _Unasked("host-call-unknown", f"this host knows no call {name[:64]!r}")
        answer: bytes = host.ask(head, data, text)[0]
        return answer


class _Unasked(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _done(tell: Callable[[], object]) -> int:
    try:
        tell()
    except BaseException:  # noqa: BLE001 - as in a call
        return -1
    return 0


def _text(value: Any) -> str:
    return "" if value == ffi.NULL else str(ffi.string(value), "utf-8", "replace")


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
