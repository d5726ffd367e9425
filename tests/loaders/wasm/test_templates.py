"""What `devkit plugin new` makes runs as its README says."""

import shutil
import subprocess

import pytest

from devkit_core.catalog.scaffold import render, write
from devkit_loader_wasm.loader import WasmLoader

VALUES = {"id": "module", "name": "Module", "author": "tests", "date": "2026-11-24T00:00:00Z", "schema": "x"}


@pytest.mark.parametrize("language", sorted(WasmLoader.templates))
async def test_a_new_plugin_answers_in_capitals(language, home, manager):
    folder = home.project / "plugins" / "module"
    write(folder, render(WasmLoader.templates[language], VALUES))
    if (folder / "Makefile").exists():
        for program in ("clang", "wasm-ld", "make"):
            if shutil.which(program) is None:
                pytest.skip(f"needs {program}")
        subprocess.run(["make", "-C", folder, "CFLAGS=-O2 -Wall -Wextra -Werror"], check=True)
    handle = await manager.load("module")
    assert await handle.execute("hello, żółw") == "HELLO, żółW"
    assert await handle.execute("") == ""
    assert await handle.execute("x" * (3 << 20)) == "X" * (3 << 20)
    assert await handle.execute("x" * (5 << 20)) == "X" * (5 << 20)
