"""The engine's settings, and the clock that ends each slice of time."""

from __future__ import annotations

import functools
import importlib.metadata
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import wasmtime

__all__ = ["SETTINGS", "SLICE", "TICK", "Ticker", "configure", "version"]

#: seconds between ticks of the epoch
TICK = 0.001
#: ticks that code runs at a time on a thread; then it is asked whether to stop
SLICE = 10
_IDLE = 250  # ticks without work after which the ticker's thread ends
#: what is part of a cached artefact's name: a change here makes every module compile anew
SETTINGS = "epochs-2"


def configure() -> wasmtime.Config:
    """Return the settings of every engine: those that run modules and the one that compiles them.

    Proposals that hold memory which a store's limits don't count, or that no toolchain makes by itself,
    are off. Memory never moves, so that one may look at it without asking where it is before each look.
    """
    import wasmtime

    config = wasmtime.Config()
    config.epoch_interruption = True
    config.memory_reservation = 1 << 32
    config.memory_may_move = False
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_multi_memory = False
    config.wasm_gc = False
    config.wasm_function_references = False
    config.wasm_stack_switching = False
    config.wasm_component_model = False
    return config


@functools.cache
def version() -> str:
    """Return the version of wasmtime that is installed."""
    return importlib.metadata.version("wasmtime")


class Ticker:
    """Moves an engine's epoch on while code runs; its thread ends when nothing has run for a while."""

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._held = 0
        self._touched = False

    @property
    def running(self) -> bool:
        """Whether its thread runs now."""
        return self._thread is not None

    def touch(self) -> None:
        """Keep ticking for a while; called before each call that runs in the caller's own thread."""
        self._touched = True
        if self._thread is None:
            self._begin()

    def hold(self) -> None:
        """Tick until `release`; called when code starts on a thread."""
        with self._lock:
            self._held += 1
        self.touch()

    def release(self) -> None:
        """Undo one `hold`."""
        with self._lock:
            self._held -= 1

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="devkit-wasm-ticker", daemon=True)
                self._thread.start()

    def _tick(self) -> None:
        idle = 0
        while idle <= _IDLE or not self._end():
            time.sleep(TICK)
            self._engine.increment_epoch()
            idle += 1
            if self._busy():
                self._touched, idle = False, 0

    def _busy(self) -> bool:
        return self._touched or self._held > 0

    def _end(self) -> bool:
        """Give the thread up, unless something was touched in this very moment."""
        with self._lock:
            self._thread = None  # what is touched from here on finds no thread, and starts one
            if not self._busy():
                return True
            self._thread = threading.current_thread()
            return False
