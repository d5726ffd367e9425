"""Every shell line and the program of the founding document that concern Python plugins, as they stand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEREDOC = """
mkdir -p plugins/my-plugin

cat > plugins/my-plugin/plugin.toml << EOF
[metadata]
id = "my-plugin"
name = "My Plugin"
version = "1.0.0"
description = "My custom plugin"
author = "Me"
entry_point = "plugin.py"
created_at = "2024-01-01T00:00:00Z"
updated_at = "2024-01-01T00:00:00Z"

[[capabilities]]
capability = "Custom"
EOF

devkit plugin list  # Should discover your plugin
"""

MANIFEST = """
[metadata]
id = "my-plugin"
name = "My Awesome Plugin"
version = "1.0.0"
description = "A plugin that does amazing things"
author = "Your Name"
entry_point = "plugin.py"
created_at = "2024-01-01T00:00:00Z"
updated_at = "2024-01-01T00:00:00Z"

[[dependencies]]
id = "python-runtime"
version = ">=3.8"
optional = false

[[capabilities]]
capability = "CodeAnalysis"

[permissions]
permissions = ["filesystem:read", "network:http"]
"""

PLUGIN = '''#!/usr/bin/env python3
import json
import sys

def initialize():
    """Initialize the plugin"""
    return "initialized"

def execute(input_data: str) -> str:
    """Execute the plugin with input data"""
    result = {
        "plugin": "my-plugin",
        "processed_input": input_data,
        "status": "success"
    }
    return json.dumps(result)

def shutdown():
    """Shutdown the plugin"""
    return "shutdown"

if __name__ == "__main__":
    method = sys.argv[1]
    if method == "initialize":
        print(initialize())
    elif method == "execute":
        print(execute(sys.argv[2]))
    elif method == "shutdown":
        print(shutdown())
'''

PROGRAM = """
import asyncio
from devkit_core import PluginManager, PluginSystemConfig

async def main():
    async with PluginManager(PluginSystemConfig()) as manager:
        await manager.scan_and_load_plugins()
        for plugin in manager.list_plugins(): print(f"Loaded: {plugin.name} v{plugin.version}")
        if plugin := manager.get_plugin("test-plugin"):
            print("Result:", await plugin.execute("hello world"))

asyncio.run(main())
"""


@pytest.fixture
def shell(tmp_path):
    """Run shell lines in an empty project, with an empty home and the installed command on PATH."""
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(tmp_path)}

    def run(text, status=0, **more):
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            **more,
        )
        assert done.returncode == status, done.stderr + done.stdout
        return done

    run.project = project
    return run


def test_the_heredoc_and_the_list(shell):
    assert "my-plugin" in shell(HEREDOC).stdout


@pytest.mark.parametrize(
    ("method", "answer"),
    [("initialize", "initialized"), ("execute 'test input'", None), ("shutdown", "shutdown")],
)
def test_the_example_on_its_own_command_line(shell, method, answer):
    shutil.copytree(ROOT / "plugins" / "test-plugin", shell.project / "plugins" / "test-plugin")
    done = shell(f"cd plugins/test-plugin; python3 plugin.py {method}")
    if answer is None:
        assert json.loads(done.stdout)["processed_input"] == "test input"
    else:
        assert answer in done.stdout


def test_the_documents_manifest_and_plugin(shell):
    folder = shell.project / "plugins" / "my-plugin"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text(PLUGIN)
    done = shell("devkit plugin run my-plugin 'hello world'")
    assert json.loads(done.stdout) == {
        "plugin": "my-plugin",
        "processed_input": "hello world",
        "status": "success",
    }
    # asked but not granted is not given, and said in one line
    assert "devkit plugin permissions grant my-plugin" in done.stderr
    assert shell("devkit plugin check plugins/my-plugin").stdout


@pytest.mark.parametrize(
    "line",
    [
        "devkit plugin --help",
        "devkit plugin list",
        "devkit plugin status",
        "devkit plugin list --format json",
    ],
)
def test_commands_in_an_empty_project(shell, line):
    shell(line)


def test_the_program(shell):
    shutil.copytree(ROOT / "plugins" / "test-plugin", shell.project / "plugins" / "test-plugin")
    (shell.project / "program.py").write_text(PROGRAM)
    done = shell("python3 -W error program.py")
    lines = done.stdout.splitlines()
    assert lines[0] == "Loaded: Test Plugin v1.0.0"
    assert json.loads(lines[1].removeprefix("Result: "))["processed_input"] == "hello world"
    assert done.stderr == ""


def test_input_of_any_size_through_a_pipe(shell):
    shutil.copytree(ROOT / "plugins" / "test-plugin", shell.project / "plugins" / "test-plugin")
    done = shell("head -c 3000000 /dev/zero | tr '\\0' x | devkit plugin run test-plugin - | wc -c")
    assert int(done.stdout) > 3_000_000
