"""The forms of module that DevKit runs, and what each must export."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from pathlib import Path

from devkit_core.api import Place, Problem
from devkit_loader_wasm.sections import COMPONENT, Malformed, Module, Signature, read

__all__ = ["DEVKIT", "WASI", "Form", "examine", "form_of", "problems", "takes_settings"]

#: what the host offers beside that
DEVKIT = frozenset({"event", "host_answer", "host_call", "log", "log_at", "progress"})
#: the one version of WASI that modules import
WASI = "wasi_snapshot_preview1"
_SYSTEM = frozenset(
    """
    args_get args_sizes_get environ_get environ_sizes_get clock_res_get clock_time_get fd_advise
    fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights
    fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread fd_prestat_get
    fd_prestat_dir_name fd_pwrite fd_read fd_readdir fd_renumber fd_seek fd_sync fd_tell fd_write
    path_create_directory path_filestat_get path_filestat_set_times path_link path_open
    path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff
    proc_exit proc_raise random_get sched_yield sock_accept sock_recv sock_send sock_shutdown
    """.split()  # noqa: SIM905 - a table to read
)
_PROVIDED = {WASI: _SYSTEM, "devkit": DEVKIT}
_NOTHING = Signature((), ())
_STATUS = Signature((), ("i32",))
_PACKED = Signature((), ("i64",))
_BUFFER = Signature(("i32", "i32"), ())
_EXECUTE = Signature(("i32", "i32"), ("i64",))
_POINTER = Signature(("i32",), ("i32",))
_FREE = Signature(("i32",), ())
#: what takes the settings, by form
_CONFIGURE = {"plain": "devkit_configure", "reactor": "configure"}


class Form(enum.StrEnum):
    """How a module is called; docs/reference/wasm-abi.md says it in full."""

    PLAIN = "plain"
    COMMAND = "command"
    REACTOR = "reactor"


def form_of(module: Module) -> Form | None:
    """Return the form that a module's exports show, or None for one that offers no `execute`."""
    if "devkit_execute" in module.exports:
        return Form.PLAIN
    if "_start" in module.exports:
        return Form.COMMAND
    return Form.REACTOR if "execute" in module.exports else None


def takes_settings(module: Module, form: Form, functions: Iterable[str]) -> bool:
    """Tell whether a module is given its settings by an export, or can ask for them."""
    name = _CONFIGURE.get(form)
    exported = name in module.functions and name not in functions  # a function of the manifest is none
    return exported or ("devkit", "host_call", "func") in module.imports


def needs(form: Form, functions: Iterable[str]) -> Iterator[tuple[str, tuple[Signature, ...], bool]]:
    """Yield each export of a form: name, the signatures it may have, and whether it may be missing."""
    if form is Form.COMMAND:
        yield "_start", (_NOTHING,), False
        return
    yield "_initialize", (_NOTHING,), True
    if form is Form.PLAIN:
        yield "devkit_alloc", (_POINTER,), False
        yield "devkit_execute", (_EXECUTE,), False
        yield "devkit_free", (_BUFFER,), True
        yield "devkit_configure", (_EXECUTE,), True
        yield "devkit_initialize", (_PACKED,), True
        yield "devkit_shutdown", (_NOTHING,), True
        for name in functions:
            yield f"devkit_function_{name}", (_EXECUTE,), False
    else:
        yield "malloc", (_POINTER,), False
        yield "execute", (_POINTER,), False
        yield "free", (_FREE,), True
        yield "last_error", (_STATUS,), True
        yield "configure", (_POINTER, _FREE), True
        yield "initialize", (_STATUS, _NOTHING), True
        yield "shutdown", (_STATUS, _NOTHING), True
        for name in functions:
            yield name, (_POINTER,), False


def examine(data: bytes, path: Path, functions: Iterable[str] = ()) -> tuple[Module, list[Problem]]:
    """Return a module's outside and all that keeps DevKit from running it; compiles and runs nothing.

    `functions` are the names of the manifest's further functions.
    """
    place = Place(str(path))
    if data.startswith(COMPONENT):
        hint = "build a core module: for wasm32-wasip1, without the component step"
        return Module(), [Problem("wasm-component", f"{path.name} is a component, not a module", place, hint)]
    try:
        module = read(data)
    except Malformed as error:
        return Module(), [Problem("wasm-invalid", f"{path.name} is no WebAssembly module: {error}", place)]
    return module, problems(module, path, functions)


def problems(module: Module, path: Path, functions: Iterable[str]) -> list[Problem]:
    """Return what of a module's outside keeps DevKit from running it."""
    place = Place(str(path))
    return [*_import_problems(module, place), *_export_problems(module, place, tuple(functions))]


def _import_problems(module: Module, place: Place) -> Iterator[Problem]:
    for source, name, kind in module.imports:
        if kind != "func" or name not in _PROVIDED.get(source, ()):
            yield Problem(
                "wasm-import-unknown",
                f"it imports {source}.{name} ({kind}), which DevKit does not provide",
                place,
                _hint(source),
            )


def _hint(source: str) -> str:
    if source.startswith("__wbindgen"):
        return "wasm-bindgen needs a browser: build for wasm32-wasip1, or export the functions yourself"
    if source == "env":
        return "link everything the module uses; emscripten needs -sSTANDALONE_WASM"
    return f"imports come from {WASI}, or are devkit.log and its like: docs/reference/wasm-abi.md"


def _export_problems(module: Module, place: Place, functions: tuple[str, ...]) -> Iterator[Problem]:
    form = form_of(module)
    if form is None:
        yield Problem(
            "entry-function-missing",
            "it exports neither devkit_execute, nor _start, nor execute",
            place,
            "docs/reference/wasm-abi.md says what each form exports",
        )
        return
    if form is not Form.COMMAND and module.exports.get("memory") != "memory":
        yield Problem("wasm-export-missing", f"it exports no memory, which the {form} form needs", place)
    for name, allowed, optional in needs(form, functions):
        have = module.functions.get(name)
        if have is None and not optional:
            code = (
                "entry-function-missing" if name in ("devkit_execute", "execute") else "wasm-export-missing"
            )
            yield Problem(code, f"it exports no function {name}, which the {form} form needs", place)
        elif have is not None and have not in allowed:
            yield Problem(
                "wasm-export-signature",
                f"its {name} is {have}; it has to be {' or '.join(map(str, allowed))}",
                place,
            )
