"""The imports by which a module talks to its host."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from devkit_core.api import DevKitError, ExecutionError, LocalCalls, PayloadTooLarge
from devkit_loader_wasm.callers import halt_of, memory

if TYPE_CHECKING:
    import wasmtime

__all__ = ["WAITS", "HostImports"]

#: what may wait for the host, and what comes after it
WAITS = frozenset({"host_call", "host_answer"})
_LEVELS = ("debug", "info", "warning", "error")
_TEXT = 64 * 1024  # bytes of a name, a line, an event's data, an error
_FAILED = 0x8000_0000
_TYPES = {
    "event": (("i32", "i32", "i32", "i32"), ()),
    "host_answer": (("i32", "i32"), ("i32",)),
    "host_call": (("i32", "i32", "i32", "i32"), ("i32",)),
    "log_at": (("i32", "i32", "i32"), ()),
    "progress": (("f64", "f64", "i32", "i32"), ()),
}


class _Outside(Exception):
    """The code named memory that it doesn't have."""


class HostImports:
    """Makes the imports that a module wants, and does what it asks by them.

    A call to the host blocks the thread that the code runs on, which is never the event loop's. What breaks
    the interface traps the code; what only has no meaning is a line in its log.
    """

    def __init__(self, calls: LocalCalls, wanted: Iterable[str]) -> None:
        self.calls = calls
        self._wanted = frozenset(wanted) & _TYPES.keys()
        self._kept: list[Any] = []  # what compiled code has the address of

    def define(self, linker: wasmtime.Linker) -> None:
        """Add the imports to a linker."""
        for name in self._wanted:
            self._define(linker, name, getattr(self, f"_{name}"))

    def _define(self, linker: wasmtime.Linker, name: str, function: Callable[..., int | None]) -> None:
        # not by `define_func`: what a function raises it keeps for whoever calls wasmtime next
        import wasmtime
        from wasmtime import _bindings as c

        takes, gives = _TYPES[name]
        types = {"i32": wasmtime.ValType.i32, "f64": wasmtime.ValType.f64}
        kind = wasmtime.FuncType([types[each]() for each in takes], [types[each]() for each in gives])

        def run(_: Any, place: Any, given: Any, count: int, results: Any, __: int) -> int:
            caller = wasmtime.Caller(place)
            try:
                values = (getattr(given[number].of, takes[number]) for number in range(count))
                answer = function(caller, *values)
                if answer is not None:
                    results[0].kind = 0
                    results[0].of.i32 = answer
            except BaseException as error:  # noqa: BLE001 - nothing may go through the compiled code
                text = str(error).encode("utf-8", "replace")[:_TEXT] or type(error).__name__.encode()
                trap = c.wasmtime_trap_new(ctypes.create_string_buffer(text), len(text))
                return ctypes.cast(trap, ctypes.c_void_p).value or 0
            finally:
                caller._invalidate()
            return 0

        callback = c.wasmtime_func_callback_t(run)
        none = c._wasmtime_linker_define_func.argtypes[-1]()
        error = c.wasmtime_linker_define_func(
            linker.ptr(), _chars("devkit"), 6, _chars(name), len(name), kind.ptr(), callback, None, none
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        self._kept.append(callback)

    # -- the imports

    def _log_at(self, caller: wasmtime.Caller, level: int, at: int, size: int) -> None:
        text = _text(caller, "log_at", at, size)
        self._told(lambda: self.calls.log(_LEVELS[min(max(level, 0), 3)], text))

    def _event(self, caller: wasmtime.Caller, name: int, name_size: int, at: int, size: int) -> None:
        called = _text(caller, "event", name, name_size)
        self._told(lambda: self.calls.event(called, _bytes(caller, "event", at, size, _TEXT)))

    def _progress(self, caller: wasmtime.Caller, done: float, total: float, at: int, size: int) -> None:
        text = _text(caller, "progress", at, size)
        self._told(lambda: self.calls.progress(done, total if total >= 0 else None, text))

    def _told(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except ExecutionError as error:
            self.calls.log("warning", f"[left out: {error.message}]")

    def _host_call(self, caller: wasmtime.Caller, name: int, name_size: int, at: int, size: int) -> int:
        halt = halt_of(caller)
        halt.answer = b""
        try:
            what = _text(caller, "host_call", name, name_size)
            data = _bytes(caller, "host_call", at, size, self.calls.limit)
            if self.calls.here:  # it would wait for itself
                raise ExecutionError("the host can't be asked here", code="host-unavailable")
            answer = halt.await_(self.calls.ask(what, data, halt.during)).data
        except DevKitError as error:
            answer = f"{error.code}: {error.message}".encode("utf-8", "replace")[:_TEXT]
            halt.answer = answer
            return len(answer) - _FAILED
        except CancelledError:
            halt.answer = answer = b"cancelled: the host ends"
            return len(answer) - _FAILED
        halt.answer = answer
        return len(answer)

    def _host_answer(self, caller: wasmtime.Caller, at: int, size: int) -> int:
        halt = halt_of(caller)
        answer, halt.answer = halt.answer, b""
        size = min(size & 0xFFFF_FFFF, len(answer))
        if (view := memory(caller, at, size)) is None:
            raise _outside("host_answer", at, size)
        view[:] = answer[:size]
        return size


def _bytes(caller: wasmtime.Caller, name: str, at: int, size: int, limit: int) -> bytes:
    size &= 0xFFFF_FFFF
    if (view := memory(caller, at, size)) is None:
        raise _outside(name, at, size)
    if size > limit:
        raise PayloadTooLarge(f"{size:,} bytes for devkit.{name}; the limit is {limit:,}")
    return bytes(view)


def _text(caller: wasmtime.Caller, name: str, at: int, size: int) -> str:
    """Return a text, of one that is too long its beginning."""
    return _bytes(caller, name, at, min(size & 0xFFFF_FFFF, _TEXT), _TEXT).decode("utf-8", "replace")


def _outside(name: str, at: int, size: int) -> _Outside:
    return _Outside(f"it gave devkit.{name} {size:,} bytes at {at & 0xFFFF_FFFF:#x}, outside its memory")


def _chars(text: str) -> Any:
    return ctypes.create_string_buffer(text.encode())
