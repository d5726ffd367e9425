"""What a native plugin's worker runs: the library's functions."""

# The zygote imports this file before it forks (child/zygote.py); `load` runs in the confined worker.

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from devkit_loader_native.hosting import HostTable
from devkit_loader_native.library import Function, Library, private_copy


def load(request: Mapping[str, Any], kit: Any) -> Any:
    """Load the library that the request names as a `kit.Program`; raises `kit.Broken`."""
    try:
        path = private_copy(request["entry"], request["folder"], os.path.join(request["scratch"], "library"))
    except OSError as error:
        raise kit.Broken(
            "library-unloadable",
            f"{os.path.basename(request['entry'])} can't be copied to the scratch folder: {error.strerror}",
            "the copy counts against max_disk_usage_mb of [runtime.limits]",
        ) from None
    library = Library(path, kit.Broken)
    library.print_by_line()
    for warning in library.identify(request["plugin"], request["version"]):
        print(warning, file=sys.stderr)
    program = kit.Program()
    program.add("execute", _answers(library.execute(), library))
    for name in request["functions"]:
        program.add(name, _answers(library.function(name), library))
    if library.takes_host:
        program.asks = True
        table = program.table = HostTable(program)
        library.give_host(table.pointer)
    program.initialize = _printing(library.initialize, library)
    program.shutdown = _printing(lambda: _shutdown(library), library)
    if library.takes_config:
        program.configure, program.configures_first = _configures(library, kit), True
    library.flush()
    return program


def _answers(function: Function, library: Library) -> Callable[[bytes, bool], str | bytes]:
    flush = library.flush

    def call(data: bytes, text: bool) -> str | bytes:
        try:
            answer, textual = function(data, text)
        finally:
            flush()
        return str(answer, "utf-8") if textual else answer

    return call


def _printing(function: Callable[[], None], library: Library) -> Callable[[], None]:
    def run() -> None:
        try:
            function()
        finally:
            library.flush()

    return run


def _configures(library: Library, kit: Any) -> Callable[[Any], None]:
    def configure(config: Any) -> None:
        try:
            why = library.configure(config)
        finally:
            library.flush()
        if why:
            raise kit.Broken("plugin-config-refused", why)

    return configure


def _shutdown(library: Library) -> None:
    if status := library.shutdown():
        print(f"shutdown returned {status}", file=sys.stderr)
