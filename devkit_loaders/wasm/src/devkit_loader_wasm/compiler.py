"""The process that compiles one module, within its parent's time limit."""

from __future__ import annotations

import os
import resource
import sys

__all__ = ["main"]

_MEMORY = 4 << 30  # bytes of data that the compiler may use


def main() -> int:
    """Compile the module on standard input into the file that is named; what is wrong goes to stderr."""
    target = sys.argv[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    import wasmtime

    from devkit_loader_wasm.engine import configure

    try:
        module = wasmtime.Module(wasmtime.Engine(configure()), sys.stdin.buffer.read())
    except wasmtime.WasmtimeError as error:
        sys.stderr.write(str(error))
        return 3
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with open(descriptor, "wb") as file:
        file.write(module.serialize())
        file.flush()
        os.fsync(file.fileno())  # a truncated artefact would be mapped, and end the host when it is read
    return 0


if __name__ == "__main__":
    sys.exit(main())
