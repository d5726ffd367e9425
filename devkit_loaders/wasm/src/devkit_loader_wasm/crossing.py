"""Calls into an instance: wasmtime's C interface, or its slower Python one.

`Func.__call__` costs some 40 µs, the C interface 1.5. It is reached by cffi, on the library that wasmtime's
wheel brings and on the pointers that its private attributes hold; so the version is pinned, and a self-check
decides once a process whether it is used.

A call is a generator: it yields whenever a slice of time is over and returns what the function returned.
Code then runs on a stack of its own, so that a call which one thread began can be resumed by another, or
dropped. On the slower way a call never yields, and `Halt` ends it.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from devkit_loader_wasm.engine import SLICE, configure
from devkit_loader_wasm.stopping import Halt, Trapped, translate

if TYPE_CHECKING:
    import wasmtime

    from devkit_loader_wasm.sections import Module, Signature

__all__ = ["Calls", "OutOfBounds", "calls", "self_check"]

_DECLARATIONS = """
typedef struct { uint8_t kind; union { uint32_t u32; uint64_t u64; uint64_t room[3]; } of; } value;
typedef struct { uint64_t store; size_t number; } instance;
typedef struct { uint8_t kind; uint64_t of[3]; } item;
typedef struct {
    value given[2], answer[1]; uintptr_t failed[2]; instance made[1]; item memory[1];
} room;
void *wasmtime_instance_pre_instantiate(const void *, void *, instance *, void **);
bool wasmtime_instance_export_get(void *, const instance *, const char *, size_t, item *);
void *wasmtime_func_call_async(
    void *, const void *, const value *, size_t, value *, size_t, void **, void **);
bool wasmtime_call_future_poll(void *);
void wasmtime_call_future_delete(void *);
void wasmtime_context_set_epoch_deadline(void *, uint64_t);
void wasmtime_context_epoch_deadline_async_yield_and_update(void *, uint64_t);
uint8_t *wasmtime_memory_data(void *, const void *);
size_t wasmtime_memory_data_size(void *, const void *);
"""
_NEVER = 1 << 40  # ticks
_FIRST = 2  # ticks until a call yields first, so that an event loop is held up for this long at most
_SLICE = 1  # ticks until it yields again


class OutOfBounds(Exception):
    """The code named memory that it doesn't have."""


class Calls(Protocol):
    """What a guest uses of its instance; one call at a time."""

    def function(self, name: str, signature: Signature) -> Any:
        """Return an export, which has that signature, as `call` takes it."""
        ...

    def call(self, function: Any, *values: int) -> Generator[None, None, int]:
        """Call a function; numbers are unsigned, no result is 0. Raises Trapped, Exited or Halted."""
        ...

    def write(self, at: int, data: bytes) -> None:
        """Copy into the instance's memory. Raises OutOfBounds."""
        ...

    def read(self, at: int, size: int) -> bytes:
        """Copy out of the instance's memory. Raises OutOfBounds."""
        ...

    def read_text(self, at: int) -> bytes:
        """Copy out what stands before the next zero byte. Raises OutOfBounds."""
        ...


class _Library:
    """The C interface of the library that wasmtime has loaded."""

    def __init__(self) -> None:
        from cffi import FFI
        from wasmtime import _ffi

        self.ffi = FFI()
        self.ffi.cdef(_DECLARATIONS)
        self.library: Any = self.ffi.dlopen(_ffi.dll._name)
        self.pointer, self.pointers, self.room, self.item = map(
            self.ffi.typeof, ("void *", "void **", "room *", "item *")
        )

    def address(self, held: Any) -> Any:
        """Return a pointer of wasmtime's own classes as one of this interface."""
        return self.ffi.cast(self.pointer, ctypes.addressof(held.contents))


@functools.cache
def _library() -> _Library:
    return _Library()


class _FastFunction:
    __slots__ = ("arguments", "begin", "item", "wide")

    def __init__(self, calls: FastCalls, name: bytes, signature: Signature) -> None:
        self.item = calls.ffi.new(calls.item)
        count = len(signature.takes)
        self.arguments = calls.arguments[:count]
        self.wide = signature.gives == ("i64",)
        self.begin = functools.partial(
            calls.begin,
            calls.find(name, self.item),
            calls.given,
            count,
            calls.answer,
            len(signature.gives),
            *calls.failures,
        )


class FastCalls:
    """Calls by the C interface, on a stack of their own, in a new instance.

    What a call takes and gives has one place: there is one call at a time.
    """

    def __init__(
        self, store: wasmtime.Store, linked: wasmtime.InstancePre, module: Module, halt: Halt
    ) -> None:
        opened = _library()
        self.ffi, self.library = opened.ffi, opened.library
        self.item = opened.item
        self._halt = halt
        self._store = store  # what the pointers point into
        self.context = context = opened.address(store._context())
        self._room = room = opened.ffi.new(opened.room)  # values are of kind 0, i32: nothing else is passed
        self._made = room.made
        self.given, self.answer = room.given, room.answer
        self.arguments = self.given[0].of, self.given[1].of
        self._result = self.answer[0].of
        self._failed = room.failed  # a trap and an error, where there is one
        self.failures = tuple(opened.ffi.cast(opened.pointers, self._failed + number) for number in range(2))
        library = self.library
        self._guard = self._instantiate(linked, module)
        self.begin = functools.partial(library.wasmtime_func_call_async, context)
        self._poll = library.wasmtime_call_future_poll
        self._delete = library.wasmtime_call_future_delete
        self._allow = functools.partial(library.wasmtime_context_set_epoch_deadline, context, _FIRST)
        self._allow()
        library.wasmtime_context_epoch_deadline_async_yield_and_update(context, _SLICE)
        self._size = -1  # it is looked at when it is first used
        self._view: Any = None
        if module.exports.get("memory") == "memory":
            where = context, self.find(b"memory", room.memory)
            self._base = functools.partial(library.wasmtime_memory_data, *where)
            self._measure = functools.partial(library.wasmtime_memory_data_size, *where)

    def _instantiate(self, linked: wasmtime.InstancePre, module: Module) -> Any:
        """Make the instance; return what has to live as long as the store, where code runs in this."""
        guard = None
        if module.starts:
            guard = self._halt.guard(self._store)
        else:
            self.library.wasmtime_context_set_epoch_deadline(self.context, _NEVER)
        trap, error = self.failures
        error[0] = self.library.wasmtime_instance_pre_instantiate(
            _library().address(linked.ptr()), self.context, self._made, trap
        )
        if self._failed[0] or self._failed[1]:
            raise self._raised()
        return guard

    def find(self, name: bytes, item: Any) -> Any:
        """Look an export up, which is there, and return the place of what the library knows of it."""
        if not self.library.wasmtime_instance_export_get(self.context, self._made, name, len(name), item):
            raise LookupError(name)
        return item[0].of

    def _look(self) -> None:
        """Take note of how much memory there is; it never moves (see `configure`), and never shrinks."""
        if (size := self._measure()) != self._size:
            self._size = size
            self._view = self.ffi.buffer(self._base(), size)

    def _check(self, at: int, size: int) -> None:
        """Look again whether the memory has these bytes by now."""
        self._look()
        if at + size > self._size:
            raise _outside(at, size)

    def function(self, name: str, signature: Signature) -> _FastFunction:
        return _FastFunction(self, name.encode(), signature)

    def exchange(
        self, function: _FastFunction, at: int, data: bytes, limit: int
    ) -> bytes | int | Generator[None, None, int]:
        """Write an input there, call a function with its place and size, and return the answer.

        Where the packed answer says that it is longer than the limit, that is returned; and where the code
        isn't done within two slices of time, the steps to the packed answer that are left. This is all in
        one, as it is most of what a short call takes.
        """
        size = len(data)
        if at + size > self._size:
            self._check(at, size)
        self._view[at : at + size] = data
        one, two = function.arguments
        one.u32 = at
        two.u32 = size
        future = function.begin()
        # asking for a new time limit takes as long as a fifth of this: the one of a call before may be over
        if not self._poll(future) and not self._poll(future):
            return self._resume(function, future)
        self._delete(future)
        if self._failed[0] or self._failed[1]:
            self._fail()
        packed: int = self._result.u64
        size = packed & 0xFFFF_FFFF
        if size > limit:
            return packed
        at = packed >> 32
        if at + size > self._size:
            self._check(at, size)
        answer: bytes = self._view[at : at + size]
        return answer

    def call(self, function: _FastFunction, *values: int) -> Generator[None, None, int]:
        for place, value in zip(function.arguments, values, strict=True):
            place.u32 = value
        self._allow()
        return self._resume(function, function.begin())

    def _resume(self, function: _FastFunction, future: Any) -> Generator[None, None, int]:
        try:
            while not self._poll(future):
                yield
        finally:
            self._delete(future)
        if self._failed[0] or self._failed[1]:
            self._fail()
        result: int = self._result.u64 if function.wide else self._result.u32
        return result

    def _fail(self) -> NoReturn:
        raise translate(self._raised(), self._halt)

    def _raised(self) -> Exception:
        """Return what stopped the code, which the library then has no more of."""
        import wasmtime
        from wasmtime import _bindings as c

        trap, error = self._failed
        self._failed[0] = self._failed[1] = 0
        if trap:
            return wasmtime.Trap._from_ptr(ctypes.cast(trap, ctypes.POINTER(c.wasm_trap_t)))
        return wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(c.wasmtime_error_t)))

    def write(self, at: int, data: bytes) -> None:
        if at + len(data) > self._size:
            self._check(at, len(data))
        self._view[at : at + len(data)] = data

    def read(self, at: int, size: int) -> bytes:
        if at + size > self._size:
            self._check(at, size)
        data: bytes = self._view[at : at + size]
        return data

    def read_text(self, at: int) -> bytes:
        self._check(at, 1)
        room = self._size - at
        text: bytes = self.ffi.string(self.ffi.cast("char *", self._base() + at), room)
        if len(text) == room:
            raise _endless(at)
        return text


class SlowCalls:
    """Calls by wasmtime's Python functions; they run to their end in the caller's thread."""

    def __init__(self, store: wasmtime.Store, linked: wasmtime.InstancePre, halt: Halt) -> None:
        self._store = store
        self._guard = halt.guard(store)
        self._exports = linked.instantiate(store).exports(store)
        self._memory = cast("wasmtime.Memory", self._exports.get("memory"))
        self._halt = halt

    def function(self, name: str, signature: Signature) -> Any:
        return self._exports[name], signature

    def call(self, function: Any, *values: int) -> Generator[None, None, int]:
        import wasmtime

        func, signature = function
        self._store.set_epoch_deadline(SLICE)
        signed = [value - (1 << 32) if value >= 1 << 31 else value for value in values]
        try:
            result = func(self._store, *signed)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise translate(error, self._halt) from None
        yield from ()  # a generator, as `call` is everywhere
        return int(result) & 0xFFFF_FFFF_FFFF_FFFF if signature.gives else 0

    def write(self, at: int, data: bytes) -> None:
        if at + len(data) > self._memory.data_len(self._store):
            raise _outside(at, len(data))
        self._memory.write(self._store, data, at)

    def read(self, at: int, size: int) -> bytes:
        if at + size > self._memory.data_len(self._store):
            raise _outside(at, size)
        return bytes(self._memory.read(self._store, at, at + size))

    def read_text(self, at: int) -> bytes:
        room = self._memory.data_len(self._store) - at
        if room <= 0:
            raise _outside(at, 1)
        text, end, _ = self.read(at, room).partition(b"\0")
        if not end:
            raise _endless(at)
        return text


def _outside(at: int, size: int) -> OutOfBounds:
    return OutOfBounds(f"it named {size:,} bytes at {at:#x}, outside its memory")


def _endless(at: int) -> OutOfBounds:
    return OutOfBounds(f"its text at {at:#x} has no end")


@functools.cache
def self_check() -> str | None:
    """Return why the C interface can't be used here, or None: it gave right answers."""
    import wasmtime
    from wasmtime import _bindings as c

    from devkit_loader_wasm.sections import Module, Signature

    if sys.version_info >= (3, 14):
        return "Python 3.14 measures its stack, so code can't call back from a stack of its own"
    try:
        for known, ours in (
            (c.wasmtime_val_t, "value"),
            (c.wasmtime_extern_t, "item"),
            (c.wasmtime_instance_t, "instance"),
        ):
            if ctypes.sizeof(known) != _library().ffi.sizeof(ours):
                return f"wasmtime's {known.__name__} has another size"
        config = configure()
        config.cranelift_opt_level = "none"
        store = wasmtime.Store(wasmtime.Engine(config))
        linked = wasmtime.Linker(store.engine).instantiate_pre(wasmtime.Module(store.engine, _CHECKED))
        found = FastCalls(store, linked, Module(exports={"memory": "memory"}), Halt())
        add = found.function("f", Signature(("i32", "i32"), ("i64",)))
        found.write(3, b"\x05\0\0\0")
        for _ in found.call(add, 3, 0x8000_0001):
            return "a short call did not end"
        if found.read(8, 8) != (0x8000_0006).to_bytes(8, "little"):
            return "a call left a wrong value"
        try:
            for _ in found.call(add, 0xFFFF_FFFF, 0):
                pass
        except Trapped:
            short = [found.exchange(add, 64, b"\2\0\0\0", limit) for limit in (6, 5)]
            return None if short == [b"\0\0\0\5\0\0", 6] else "the short way gave a wrong answer"
    except Exception as error:  # noqa: BLE001 - whatever has changed, the slower way is there
        return f"{type(error).__name__}: {error}"
    return "a trap was not seen"


def calls(store: wasmtime.Store, linked: wasmtime.InstancePre, module: Module, halt: Halt) -> Calls:
    """Make an instance and return the way into it that works here; raises what wasmtime does."""
    if self_check() is not None:
        return SlowCalls(store, linked, halt)
    return FastCalls(store, linked, module, halt)


#: (module (memory (export "memory") 1) (func (export "f") (param i32 i32) (result i64) …)):
#: stores and returns the sum of what stands at the first number and of the second
_CHECKED = """
(module (memory (export "memory") 1)
  (func (export "f") (param i32 i32) (result i64)
    (i64.store (i32.const 8) (i64.add (i64.load32_u (local.get 0)) (i64.extend_i32_u (local.get 1))))
    (i64.load (i32.const 8))))
"""
