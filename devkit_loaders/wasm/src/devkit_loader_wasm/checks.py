"""What `devkit doctor` shows of WebAssembly."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from devkit_core.api import Check, Finding

__all__ = ["checks"]


def checks() -> Sequence[Check]:
    """Return the checks of this loader."""
    return [Check("wasm", _runtime)]


def _runtime() -> Sequence[Finding]:
    try:
        from devkit_loader_wasm.crossing import self_check
        from devkit_loader_wasm.engine import version

        reason = self_check()
    except Exception as error:  # noqa: BLE001 - a broken wheel is what this is here to show
        return [
            Finding(
                "wasm",
                "error",
                f"wasmtime can't be used: {error}",
                'pip install --force-reinstall "wasmtime>=50,<51"',
            )
        ]
    found = [Finding("wasm", "ok", f"wasmtime {version()} holds memory, time, files and network")]
    if reason is None:
        found.append(Finding("wasm calls", "ok", "by wasmtime's C interface"))
    else:
        found.append(Finding("wasm calls", "warning", f"by wasmtime's slower Python interface: {reason}"))
    tools = [name for name in ("clang", "wasm-ld") if shutil.which(name)]
    if len(tools) == 2:
        found.append(Finding("wasm toolchain", "ok", f"clang and wasm-ld at {shutil.which('clang')}"))
    else:
        missing = "no clang with wasm-ld; C plugins can't be built"
        hint = "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32"
        found.append(Finding("wasm toolchain", "info", missing, hint))
    return found
