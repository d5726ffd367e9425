"""The WebAssembly loader keeps the contract of a loader, in each of its three forms."""

from pathlib import Path

from devkit_core.testing.conformance import LoaderConformance

NO_PROCESS = {
    "spawn_denied": "WASI preview 1 has no call that starts a process",
    "connect_denied": "WASI preview 1 has no call that connects",
    "pid": "the plugin has no process of its own",
}
NO_BACKTRACE = "an error that a plugin reports has no backtrace; a trap has, see tests/loaders/wasm"


class TestPlain(LoaderConformance):
    plugin = Path(__file__).parent / "wasm-plugin"
    unsupported = {**NO_PROCESS, "error_source": NO_BACKTRACE}
