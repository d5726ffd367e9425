"""A shared library that implements the plugin interface, loaded and called."""

# Runs in the worker, and in the host for plugins that the user trusts: it imports nothing of DevKit's.

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devkit_loader_native.interface import ffi

__all__ = ["Library", "private_copy"]

_NOW, _LOCAL = ffi.RTLD_NOW, ffi.RTLD_LOCAL
_TABLE = ("id", "name", "version", "initialize", "execute", "shutdown")
_NULL = ffi.NULL
_LARGEST = 1 << 30  # bytes of an answer: no payload limit is higher
_TEXT = ffi.typeof("char *(*)(const char *)")
_BYTES = ffi.typeof("char *(*)(const char *, size_t, size_t *)")
_MESSAGE = ffi.typeof("const char *(*)(void)")
_FREE = ffi.typeof("void (*)(char *)")
_CONFIGURE = ffi.typeof("int (*)(const char *)")
_HOST = ffi.typeof("void (*)(const PluginHost *)")
_CREATE = ffi.typeof("PluginInterface *(*)(void)")

#: makes the error to raise, of a code, a message and a hint or None
Failure = Callable[[str, str, str | None], Exception]
#: takes the input and whether it is text, and returns the answer and whether that is text
Function = Callable[[bytes, bool], tuple[bytes, bool]]


def private_copy(entry: str, folder: str, target: str) -> str:
    """Copy a library to a new folder `target` and return the copy's path; raises OSError.

    A file that is mapped must not change, and a linker may write into the original at any time. What lies
    beside the library, and beside the folders above it up to `folder`, is linked to, so that libraries
    which it finds relative to its own place (`$ORIGIN`) are found there too.
    """
    source, made = folder, target
    os.mkdir(made)
    *above, name = os.path.relpath(entry, folder).split(os.sep)
    for part in (*above, name):
        with os.scandir(source) as entries:
            for other in entries:
                if other.name != part:
                    os.symlink(other.path, os.path.join(made, other.name))
        source, made = os.path.join(source, part), os.path.join(made, part)
        if part is not name:
            os.mkdir(made)
    return str(shutil.copyfile(source, made))


class Library:
    """A loaded library. It stays mapped for the life of the process: what it started may still run.

    `failure` makes what is raised, with one of the codes of docs/reference/native-abi.md.
    """

    def __init__(self, path: str, failure: Failure) -> None:
        self._failure = failure
        self._system = ffi.dlopen(None)
        self._name = os.path.basename(path)
        complaint = self._system.dlerror  # looked up first: a look-up clears what it would tell
        self._handle = self._system.dlopen(os.fsencode(path), _NOW | _LOCAL)
        if self._handle == _NULL:
            why = _string(complaint()).replace(f"{path}: ", "")
            raise failure("library-unloadable", f"{self._name} can't be loaded: {why}", _hint(why))
        create = self._system.dlsym(self._handle, b"create_plugin")
        if create == _NULL:
            raise failure(
                "library-symbol-missing",
                f"{self._name} exports no `create_plugin`",
                'export it as `PluginInterface *create_plugin(void)`, in C++ within `extern "C"`',
            )
        self._base = self._origin(create)
        table = ffi.cast(_CREATE, create)()
        if table == _NULL:
            raise failure("interface-broken", f"create_plugin of {self._name} returned NULL", None)
        missing = [member for member in _TABLE if getattr(table, member) == _NULL]
        if missing:
            raise failure(
                "interface-broken",
                f"the table of {self._name} has NULL for {', '.join(missing)}",
                "all six functions are called; one that has nothing to do returns 0",
            )
        self._table = table
        self._last_error = self._export("last_error", _MESSAGE)
        self._free = self._export("free_string", _FREE)
        self._configure = self._export("configure", _CONFIGURE)
        self._take_host = self._export("devkit_set_host", _HOST)

    def _origin(self, address: Any) -> Any:
        found = ffi.new("Symbol *")
        return found.base if self._system.dladdr(address, found) else _NULL

    def _export(self, name: str, kind: Any) -> Any:
        """Return a function that this very library exports, none of its dependencies, or None."""
        address = self._system.dlsym(self._handle, name.encode())
        if address == _NULL or self._origin(address) != self._base:
            return None
        return ffi.cast(kind, address)

    def identify(self, plugin: str, version: str) -> Iterator[str]:
        """Compare what the library says of itself with its manifest; yields warnings, raises for the id."""
        said = {}
        for member in ("id", "name", "version"):
            value = getattr(self._table, member)()
            if value == _NULL:
                raise self._failure("interface-broken", f"{member}() of {self._name} returned NULL", None)
            try:
                said[member] = ffi.string(value).decode()
            except UnicodeDecodeError:
                raise self._failure(
                    "interface-broken", f"{member}() of {self._name} returned no UTF-8", None
                ) from None
        if said["id"] != plugin:
            raise self._failure(
                "plugin-id-mismatch",
                f"id() of {self._name} is `{said['id'][:100]}`, and the manifest says `{plugin}`",
                "give both the same id",
            )
        if said["version"] != version:
            yield f"version() of {self._name} is {said['version'][:100]}, and the manifest says {version}"

    def initialize(self) -> None:
        """Run the library's initialize; raises `initialize-failed` where it isn't 0."""
        status = self._table.initialize()
        if status:
            why = self._complaint() or f"it returned {status}"
            raise self._failure("initialize-failed", why, None)

    @property
    def takes_host(self) -> bool:
        """Whether the library wants the functions of its host."""
        return self._take_host is not None

    def give_host(self, table: Any) -> None:
        """Give it those functions, which have to outlive it."""
        self._take_host(table)

    @property
    def takes_config(self) -> bool:
        """Whether the library can be given settings."""
        return self._configure is not None

    def configure(self, config: Mapping[str, Any]) -> str:
        """Give the library its settings as JSON, and return why it refuses them, or nothing."""
        status = self._configure(json.dumps(config, ensure_ascii=False).encode())
        return (self._complaint() or f"configure returned {status}") if status else ""

    def shutdown(self) -> int:
        """Run the library's shutdown and return its status."""
        return int(self._table.shutdown())

    def flush(self) -> None:
        """Write out what the library has printed."""
        self._system.fflush(_NULL)

    def print_by_line(self) -> None:
        """Make C's stdout write each line at once: what stands before a crash is what explains it."""
        line_buffered = 1  # _IOLBF of glibc, musl and macOS
        stdout = getattr(self._system, "stdout", None)
        if stdout is not None:
            self._system.setvbuf(stdout, _NULL, line_buffered, 0)

    def _complaint(self) -> str:
        if self._last_error is None:
            return ""
        message = self._last_error()
        return "" if message == _NULL else ffi.string(message).decode("utf-8", "replace")

    def _no_answer(self, function: str) -> Exception:
        if why := self._complaint():
            return self._failure("plugin-raised", why, None)
        return self._failure(
            "result-null",
            f"{function} of {self._name} returned NULL",
            "a library that exports `const char *last_error(void)` can say why",
        )

    def execute(self) -> Function:
        """Return the plugin's execute: `execute_bytes` where the library exports it, else the table's."""
        given = self._export("execute_bytes", _BYTES)
        return self._of_text(self._table.execute, "execute") if given is None else self._of_bytes(given)

    def function(self, name: str) -> Function:
        """Return a function that the manifest names, which the library exports as `plugin_NAME`."""
        found = self._export(f"plugin_{name}", _TEXT)
        if found is None:
            raise self._failure(
                "entry-function-missing",
                f"{self._name} exports no `plugin_{name}`",
                f"the manifest names the function: export `char *plugin_{name}(const char *input)`",
            )
        return self._of_text(found, f"plugin_{name}")

    def _of_text(self, function: Any, name: str) -> Function:
        string, free, null = ffi.string, self._free, _NULL

        def call(data: bytes, text: bool) -> tuple[bytes, bool]:
            if b"\0" in data:
                raise self._failure(
                    "input-has-nul",
                    f"the input has a NUL at byte {data.index(0)}, where a C string ends",
                    "a library that exports `execute_bytes` takes any bytes",
                )
            answer = function(data)
            if answer == null:
                raise self._no_answer(name)
            value: bytes = string(answer)
            if free is not None:
                free(answer)
            if not value.isascii():
                self._check_text(value, name)
            return value, True

        return call

    def _check_text(self, value: bytes, name: str) -> None:
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise self._failure(
                "result-not-text",
                f"{name} of {self._name} returned no UTF-8 (byte {error.start})",
                "a library that exports `execute_bytes` may answer with any bytes",
            ) from None

    def _of_bytes(self, function: Any) -> Function:
        free, null = self._free, _NULL
        size = ffi.new("size_t *")

        def call(data: bytes, text: bool) -> tuple[bytes, bool]:
            size[0] = 0
            answer = function(data, len(data), size)
            if answer == null:
                raise self._no_answer("execute_bytes")
            if size[0] > _LARGEST:
                raise self._failure(
                    "payload-too-large",
                    f"execute_bytes of {self._name} says that its answer has {size[0]:,} bytes",
                    "store the answer's size in *result_size",
                )
            value = bytes(ffi.buffer(answer, size[0]))
            if free is not None:
                free(answer)
            if text and not value.isascii():
                try:
                    value.decode()
                except UnicodeDecodeError:
                    text = False
            return value, text

        return call


def _string(value: Any) -> str:
    return "" if value == _NULL else str(ffi.string(value), "utf-8", "replace")


def _hint(why: str) -> str | None:
    if "cannot open shared object file" in why:
        return "install that library, or put it in the plugin's folder and link with -Wl,-rpath,'$ORIGIN'"
    if "undefined symbol" in why:
        return "link the library that has the symbol: its -l option is missing"
    if "failed to map segment" in why:
        return "the scratch folder's file system is mounted noexec: set DEVKIT_HOME to a folder on another"
    if "GLIBC" in why or "GLIBCXX" in why:
        return "it was built against a newer C library than this machine has: build it on an older one"
    return None
