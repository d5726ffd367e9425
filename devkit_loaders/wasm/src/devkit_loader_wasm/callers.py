"""What a host function sees of the code that calls it."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import wasmtime

    from devkit_loader_wasm.stopping import Halt

__all__ = ["halt_of", "memory"]


def memory(caller: wasmtime.Caller, at: int, size: int) -> Any:
    """Return a view of the caller's memory, or None where it hasn't that."""
    import wasmtime

    found = caller.get("memory")
    at &= 0xFFFF_FFFF
    size &= 0xFFFF_FFFF
    if not isinstance(found, wasmtime.Memory) or at + size > found.data_len(caller):
        return None
    base = ctypes.addressof(found.data_ptr(caller).contents)
    return memoryview((ctypes.c_ubyte * size).from_address(base + at)).cast("B")


def halt_of(caller: wasmtime.Caller) -> Halt:
    """Return what the caller's store was made with."""
    import wasmtime

    data: Any = wasmtime.Store.data(caller)  # type: ignore[arg-type]  # a caller has a context too
    assert data is not None
    return cast("Halt", data)
