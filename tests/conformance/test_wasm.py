"""The WebAssembly loader keeps the contract of a loader, in each form and on both ways to call."""

import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

import pytest

from devkit_core.testing.conformance import LoaderConformance

SOURCE = Path(__file__).parent / "wasm-plugin"
NO_PROCESS = {
    "spawn_denied": "WASI preview 1 has no call that starts a process",
    "connect_denied": "WASI preview 1 has no call that connects",
    "pid": "the plugin has no process of its own",
}
NO_BACKTRACE = "an error that a plugin reports has no backtrace; a trap has, see tests/loaders/wasm"
ANEW = "a command is run anew for each call, so it keeps nothing and is never initialized"


@pytest.fixture(scope="class")
def clang(request, tmp_path_factory):
    compiler = shutil.which("clang")
    if compiler is None or shutil.which("wasm-ld") is None:
        pytest.skip("needs clang and lld, with wasi-libc")
    folder = tmp_path_factory.mktemp("wasm")
    manifest = (SOURCE / "plugin.toml").read_text().replace("plugin.wat", "plugin.wasm")
    (folder / "plugin.toml").write_text(manifest)
    command = [compiler, "--target=wasm32-wasi", "-O1", *request.cls.flags, "-o", folder / "plugin.wasm"]
    subprocess.run([*command, SOURCE / "plugin.c"], check=True)
    request.cls.plugin = folder


class TestPlain(LoaderConformance):
    plugin = SOURCE
    unsupported: ClassVar = {**NO_PROCESS, "error_source": NO_BACKTRACE}


class TestPlainWithoutTheCInterface(LoaderConformance):
    """As on a wasmtime whose C interface isn't the one that is known."""

    plugin = SOURCE
    unsupported: ClassVar = {**NO_PROCESS, "error_source": NO_BACKTRACE}

    @pytest.fixture(autouse=True)
    def slow(self, monkeypatch):
        monkeypatch.setattr("devkit_loader_wasm.crossing.self_check", lambda: "a test says so")


@pytest.mark.usefixtures("clang")
class TestReactor(LoaderConformance):
    plugin = SOURCE
    flags = ("-mexec-model=reactor", "-Wl,--export=malloc,--export=free")
    unsupported: ClassVar = {
        **NO_PROCESS,
        "error_source": NO_BACKTRACE,
        "nul": "a C string ends at its first NUL; the plain form takes any bytes",
    }


@pytest.mark.usefixtures("clang")
class TestCommand(LoaderConformance):
    plugin = SOURCE
    flags = ("-DCOMMAND",)
    source_line = "look at my line"
    unsupported: ClassVar = {
        **NO_PROCESS,
        "nul": "the plugin is C, whose strings end at their first NUL",
        "output": "a command's stdout is its answer",
        "flood": "a command's stdout is its answer",
        "exit": "a command that exits with a status has failed, which is an error of its own",
        "crash_spares_waiting_calls": "a command that exits with a status has failed",
        **dict.fromkeys(
            ("state", "initialize_fails", "initialize_hangs", "shutdown", "reload"),
            ANEW,
        ),
        "failed_reload_keeps_the_old": ANEW,
    }
