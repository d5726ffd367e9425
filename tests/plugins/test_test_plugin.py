import json
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = "test-plugin"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "plugin.py", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_answers_with_its_input(module):
    answer = json.loads(module("plugin").execute("hello world"))
    assert answer == {"plugin": "test-plugin", "processed_input": "hello world", "status": "success"}


def test_command_line_as_documented(plugin_folder):
    assert run(plugin_folder, "initialize").stdout == "initialized\n"
    assert json.loads(run(plugin_folder, "execute", "test input").stdout)["processed_input"] == "test input"
    assert run(plugin_folder, "shutdown").stdout == "shutdown\n"


@pytest.mark.parametrize("arguments", [(), ("execute",), ("shutdown", "x"), ("stop",), ("execute", "a", "b")])
def test_wrong_usage_is_told(plugin_folder, arguments):
    done = run(plugin_folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
