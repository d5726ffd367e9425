"""What a module finds outside itself: WASI within grants, and its host."""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devkit_core.api import Reach
from devkit_loader_wasm.callers import halt_of, memory
from devkit_loader_wasm.forms import WASI
from devkit_loader_wasm.hosting import WAITS, HostImports

if TYPE_CHECKING:
    import wasmtime

    from devkit_core.api import LocalCalls
    from devkit_loader_wasm.sections import Module

__all__ = ["WAITING", "System"]

#: what may take its time outside of WebAssembly, where no slice of time ends
WAITING = frozenset({"poll_oneoff", "sock_accept", "sock_recv", "sock_send", "sock_shutdown"})
_SUBSCRIPTIONS = 1024  # that one poll may have
_LINE = 64 * 1024  # bytes of one devkit.log
_EVENT = struct.Struct("<QHBxxxxxQHxxxxxx")
_BAD_ADDRESS, _INVALID = 21, 28


class System:
    """Makes what one module imports: a linker for all its instances, and a WASI world for each.

    `host` is made where the module imports something of it.
    """

    def __init__(
        self, module: Module, reach: Reach, name: str, host: Callable[[], LocalCalls] | None = None
    ) -> None:
        self._wanted = {(source, name) for source, name, _ in module.imports}
        self._reach = reach
        self._name = name
        self._wasi = any(source == WASI for source, _ in self._wanted)
        asked = {name for source, name in self._wanted if source == "devkit"} - {"log"}
        self._waits = bool(asked & WAITS)
        self._host = HostImports(host(), asked) if host is not None and asked else None

    @property
    def waits(self) -> bool:
        """Whether the module may wait for something that isn't its own code."""
        imported = {name for source, name in self._wanted if source == WASI}
        return self._waits or bool(imported & WAITING) or bool(self._reach.folders)

    @contextmanager
    def settings(self, config: bytes) -> Iterator[None]:
        """Let the module ask for these settings, unless they turn out to be refused."""
        if self._host is None:
            yield
            return
        calls = self._host.calls
        before, calls.settings = calls.settings, config
        try:
            yield
        except BaseException:
            calls.settings = before
            raise

    def linker(self, engine: wasmtime.Engine, log: Callable[[str], None]) -> wasmtime.Linker:
        """Return a linker with all that the module may import; a store's data has to be its Halt."""
        import wasmtime

        linker = wasmtime.Linker(engine)
        i32 = wasmtime.ValType.i32()
        if self._wasi:
            linker.define_wasi()
        if (WASI, "poll_oneoff") in self._wanted:
            # wasmtime's own would sleep on where nothing can wake it
            linker.allow_shadowing = True
            kind = wasmtime.FuncType([i32, i32, i32, i32], [i32])
            linker.define_func(WASI, "poll_oneoff", kind, _poll, access_caller=True)
        if ("devkit", "log") in self._wanted:
            kind = wasmtime.FuncType([i32, i32], [])
            write: Callable[..., None] = lambda *given: _log(log, *given)  # noqa: E731
            linker.define_func("devkit", "log", kind, write, access_caller=True)
        if self._host is not None:
            self._host.define(linker)
        return linker

    def furnish(
        self,
        store: wasmtime.Store,
        stdout: Callable[[bytes], int | None],
        stderr: Callable[[bytes], int | None],
        arguments: Iterable[str] = (),
        stdin: bytes = b"",
    ) -> None:
        """Give one instance its WASI world: streams, arguments, variables and folders that were granted."""
        if not self._wasi:
            return
        import wasmtime
        from wasmtime import _bindings as c

        config = wasmtime.WasiConfig()
        config.argv = [self._name, *arguments]
        config.env = list(self._reach.environment.items())
        config.stdout_custom = stdout
        config.stderr_custom = stderr
        if stdin:
            content = c.wasm_byte_vec_t()
            c.wasm_byte_vec_new(
                ctypes.byref(content),
                len(stdin),
                ctypes.cast(ctypes.c_char_p(stdin), ctypes.POINTER(ctypes.c_ubyte)),
            )
            c.wasi_config_set_stdin_bytes(config.ptr(), ctypes.byref(content))
        for folder, writable in self._reach.folders:
            config.preopen_dir(folder, folder, writable)
        store.set_wasi(config)


def _log(log: Callable[[str], None], caller: wasmtime.Caller, at: int, size: int) -> None:
    view = memory(caller, at, min(size & 0xFFFF_FFFF, _LINE))
    if view is not None:
        log(bytes(view).decode("utf-8", "replace"))


def _poll(caller: wasmtime.Caller, subscribed: int, events: int, count: int, written: int) -> int:
    """Answer poll_oneoff: files are always ready, and a sleep ends when the call is given up."""
    if not 0 < count <= _SUBSCRIPTIONS:
        return _INVALID
    inputs = memory(caller, subscribed, 48 * count)
    outputs = memory(caller, events, 32 * count)
    number = memory(caller, written, 4)
    if inputs is None or outputs is None or number is None:
        return _BAD_ADDRESS
    clocks: list[tuple[float, int]] = []
    ready: list[bytes] = []
    for place in range(0, 48 * count, 48):
        user, tag = struct.unpack_from("<QB", inputs, place)
        if tag == 0:
            clock, timeout, _, flags = struct.unpack_from("<IxxxxQQH", inputs, place + 16)
            if flags & 1:
                timeout = max(0, timeout - (time.time_ns() if clock == 0 else time.monotonic_ns()))
            clocks.append((timeout / 1e9, user))
        elif tag in (1, 2):
            ready.append(_EVENT.pack(user, 0, tag, 1, 0))
        else:
            return _INVALID
    if not ready:
        first = min(seconds for seconds, _ in clocks)
        halt_of(caller).sleep(first)
        ready = [_EVENT.pack(user, 0, 0, 0, 0) for seconds, user in clocks if seconds <= first]
    answer = b"".join(ready)
    # the memory may have moved while this slept only if its own code ran, and it did not
    outputs[: len(answer)] = answer
    number[:] = len(ready).to_bytes(4, "little")
    return 0
