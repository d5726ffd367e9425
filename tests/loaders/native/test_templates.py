"""devkit plugin new --lang c: a folder that is built, tested and run as it stands."""

import os
import shutil
import subprocess
import sys

import pytest


def test_it_is_made_checked_tested_and_run(tmp_path):
    for tool in ("make", "cc"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DEVKIT_HOME": str(tmp_path / "home")}

    def run(*command: str, code: int = 0) -> str:
        if command[0] == "devkit":
            command = (sys.executable, "-c", "from devkit_core.cli.main import run; run()", *command[1:])
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    run("devkit", "plugin", "new", "my-plugin", "--lang", "c")
    folder = tmp_path / "plugins" / "my-plugin"
    assert {each.name for each in folder.iterdir()} == {
        ".gitignore", "Makefile", "README.md", "plugin.c", "plugin.h", "plugin.toml", "test_plugin.c",
    }  # fmt: skip
    assert f"make -C {folder}" in run("devkit", "plugin", "run", "my-plugin", "hello", code=1)
    run("make", "-C", str(folder), "CFLAGS=-Wall -Wextra -Wpedantic -Werror")
    run("make", "-C", str(folder), "test")
    assert run("devkit", "plugin", "check", "--strict", str(folder)) == f"{folder}: ok\n"
    assert run("devkit", "plugin", "run", "my-plugin", "hello") == "HELLO"
