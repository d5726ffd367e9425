"""How code ends early: traps, exits, and being told to stop."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Any

from devkit_core.api import DevKitError, ExecutionError, PluginRaised, WorkerCrashed
from devkit_loader_wasm.engine import SLICE

if TYPE_CHECKING:
    from concurrent.futures import Future

    import wasmtime

    from devkit_core.api import PendingCall, Result

__all__ = ["Exited", "Halt", "Halted", "Trapped", "error_of", "translate"]


class Trapped(Exception):
    """The code broke a rule of WebAssembly or gave up; `backtrace` names its functions."""

    def __init__(self, message: str, backtrace: str) -> None:
        super().__init__(message)
        self.backtrace = backtrace


class Exited(Exception):
    """The code called `proc_exit`."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it exited with status {status}")
        self.status = status


class Halted(Exception):
    """The code was told to stop."""


class Halt:
    """Tells code on another thread to stop: between slices, in a tick's callback, or in its sleep."""

    def __init__(self) -> None:
        self._told = False
        self._sleeping: threading.Event | None = None
        self.during: PendingCall | None = None  # the call that runs on the thread
        self.answer = b""  # of its last call to the host

    def set(self) -> None:
        """Stop it; may be called from any thread."""
        self._told = True
        if (sleeping := self._sleeping) is not None:
            sleeping.set()

    def is_set(self) -> bool:
        """Whether it was told to stop."""
        return self._told

    def sleep(self, seconds: float) -> None:
        """Sleep in the code's place, until it is told to stop at the latest."""
        self._wait(threading.Event(), min(seconds, threading.TIMEOUT_MAX))

    def await_(self, asked: Future[Result]) -> Result:
        """Wait in the code's place for what was asked; where it is told to stop, cancel that.

        Raises Halted then, else what the future does.
        """
        answered = threading.Event()
        asked.add_done_callback(lambda _: answered.set())
        self._wait(answered, None)
        if self._told:
            asked.cancel()
            raise Halted()
        return asked.result()

    def _wait(self, event: threading.Event, seconds: float | None) -> None:
        self._sleeping = event
        if not self._told:  # whoever tells it from here on finds the event
            event.wait(seconds)

    def guard(self, store: wasmtime.Store) -> Any:
        """Look at every tick whether to stop, and return what must live as long as the store."""
        from wasmtime import _bindings as c

        stopped = ctypes.create_string_buffer(b"stopped")

        def look(_context: Any, _data: Any, delta: Any, _kind: Any) -> int:
            if self._told:
                error = c.wasmtime_error_new(ctypes.cast(stopped, ctypes.POINTER(ctypes.c_char)))
                return ctypes.cast(error, ctypes.c_void_p).value or 0
            delta[0] = SLICE
            return 0

        kind = c._wasmtime_store_epoch_deadline_callback.argtypes[1]
        callback = kind(look)
        none = c._wasmtime_store_epoch_deadline_callback.argtypes[3]()
        c.wasmtime_store_epoch_deadline_callback(store.ptr(), callback, None, none)
        store.set_epoch_deadline(SLICE)
        return callback


def translate(error: Exception, halt: Halt) -> Exception:
    """Return what a wasmtime error means: Trapped, Exited, or Halted where it was told to stop."""
    import wasmtime

    if isinstance(error, wasmtime.ExitTrap):
        return Exited(error.code)
    if halt.is_set():
        return Halted()
    text = error.message if isinstance(error, wasmtime.Trap) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it trapped"]
    causes = [line.partition("wasm trap: ")[2] for line in lines if "wasm trap: " in line]
    if not causes and "Caused by:" in lines:  # a function of the host's, which says why
        causes = lines[lines.index("Caused by:") + 1 :]
    return Trapped(causes[-1] if causes else lines[0], text)


def error_of(error: BaseException, plugin: str) -> DevKitError:
    """Return the error that a caller gets for what went wrong in a call."""
    if isinstance(error, DevKitError):
        return error
    if isinstance(error, Trapped):
        return PluginRaised(
            f"`{plugin}` trapped: {error}",
            kind="Trap",
            traceback=error.backtrace,
            plugin=plugin,
            hint="its state is lost; a fresh instance answers the next call",
        )
    if isinstance(error, Exited):
        return WorkerCrashed(
            f"`{plugin}` exited with status {error.status} during a call", status=error.status, plugin=plugin
        )
    if isinstance(error, Halted):
        return WorkerCrashed(f"`{plugin}` was stopped during the call", plugin=plugin)
    return ExecutionError(f"`{plugin}` could not be called: {error!r}", plugin=plugin)
