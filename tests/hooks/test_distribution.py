"""A distribution adds loader, command, source, policy and wrapper by pip install alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "stranger"
version = "1.2.3"
dependencies = ["devkit-core"]

[project.entry-points."devkit.loaders"]
shout = "stranger.loaders"

[project.entry-points."devkit.extensions"]
stranger = "stranger.hooks"

[tool.hatch.build.targets.wheel]
packages = ["stranger"]
"""
LOADERS = """\
from devkit_core.api import hookimpl


@hookimpl
def devkit_register_loaders():
    from stranger.shout import ShoutLoader

    return [ShoutLoader()]


@hookimpl
def devkit_register_runtimes():
    return {"shout-runtime": "2.0"}
"""
SHOUT = '''\
"""Plugins that are one line of text, put before the input in capitals."""

from devkit_core.api import Instance, Loader, Result


class Shout(Instance):
    functions = {"execute": 0}

    def __init__(self, line):
        self.line = line

    async def initialize(self, seconds):
        pass

    def submit(self, call):
        call.set_result(Result(self.line + call.data.upper(), True))

    async def shutdown(self, seconds):
        pass

    async def close(self):
        pass


class ShoutLoader(Loader):
    name = "shout"
    extensions = frozenset({".shout"})
    confinement = "runtime"

    async def start(self, request):
        return Shout(request.entry.path.read_bytes().strip())
'''
HOOKS = """\
from devkit_core.api import CommandSpec, Result, Source, hookimpl


@hookimpl
def devkit_register_commands():
    return [CommandSpec("plugin whisper", "stranger.command:whisper", "Whisper.")]


@hookimpl
def devkit_register_sources():
    from pathlib import Path

    class Beside(Source):
        name = "beside"

        def folders(self):
            return sorted((Path(__file__).parent / "plugins").iterdir())

    return [Beside()]


@hookimpl
def devkit_decide_permission(request):
    return False if request.permission.domain == "network" else None


@hookimpl
async def devkit_call(call, proceed):
    result = await proceed(call)
    return Result(result.data + b"!", result.text)
"""
COMMAND = """\
import click


@click.command()
def whisper():
    click.echo("psst")
"""
MANIFEST = """\
[metadata]
id = "loud"
name = "Loud"
version = "1.0.0"
description = "Shouts"
author = "A stranger"
entry_point = "line.shout"

[[dependencies]]
id = "shout-runtime"
version = ">=2"

[permissions]
permissions = ["network:https", "filesystem:read"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder that pip installed the distribution into."""
    root = tmp_path_factory.mktemp("stranger")
    files = {
        "pyproject.toml": PYPROJECT, "stranger/__init__.py": "", "stranger/loaders.py": LOADERS,
        "stranger/shout.py": SHOUT, "stranger/hooks.py": HOOKS, "stranger/command.py": COMMAND,
        "stranger/plugins/loud/plugin.toml": MANIFEST, "stranger/plugins/loud/line.shout": "HEAR: \n",
    }  # fmt: skip
    for name, text in files.items():
        path = root / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    command += ["--disable-pip-version-check", "--target", root / "site", root / "source"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return root / "site"


@pytest.fixture
def devkit(site, tmp_path):
    """Run `devkit` where the distribution is installed, or where it isn't."""

    def run(*words: str, installed: bool = True) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": os.environ["PATH"], "DEVKIT_HOME": str(tmp_path / "home"), "LANG": "C.UTF-8"}
        if installed:
            environ["PYTHONPATH"] = str(site)
        command = [Path(sys.executable).with_name("devkit"), *words]
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    return run


def test_the_loader_runs_its_plugin_from_the_source_through_the_wrapper(devkit):
    done = devkit("plugin", "run", "loud", "hello")
    assert (done.stdout.strip(), done.returncode) == ("HEAR:HELLO!", 0), done.stderr


def test_the_listing_shows_source_and_kind(devkit):
    for _ in range(2):  # read, then from the cache
        rows = json.loads(devkit("plugin", "list", "--format", "json").stdout)["plugins"]
        assert [(each["id"], each["source"]) for each in rows] == [("loud", "beside")]


def test_the_command_joins_its_group(devkit):
    assert devkit("plugin", "whisper").stdout == "psst\n"
    assert "Whisper." in devkit("plugin", "--help").stdout


def test_the_policy_takes_what_was_granted(devkit):
    devkit("plugin", "permissions", "grant", "loud", "network:https", "filesystem:read")
    shown = devkit("plugin", "permissions", "show", "loud").stdout
    states = dict(line.split()[:2] for line in shown.splitlines()[1:3])
    assert states["network:https"] != "granted"
    assert states["filesystem:read"] == "granted"


def test_no_grant_is_suggested_for_what_a_policy_withholds(devkit):
    devkit("plugin", "permissions", "grant", "loud", "network:https")
    shown = devkit("plugin", "permissions", "show", "loud")
    assert "withheld by a policy" in shown.stdout
    assert "grant loud filesystem:read" in shown.stderr
    assert "network:https" not in shown.stderr
    devkit("plugin", "permissions", "grant", "loud", "filesystem:read")
    assert "to grant" not in devkit("plugin", "permissions", "show", "loud").stderr
    assert "withheld by a policy" in devkit("plugin", "run", "loud", "hello").stderr
    found = json.loads(devkit("plugin", "permissions", "show", "loud", "--format", "json").stdout)
    assert found["denied"] == ["network:https"]
    assert found["grant_command"] is None


def test_disabled_or_not_installed_nothing_is_left_of_it(devkit):
    assert devkit("plugin", "whisper", installed=False).returncode != 0
    devkit("config", "set", "disabled_extensions", "stranger")
    assert devkit("plugin", "whisper").returncode != 0
    assert devkit("plugin", "run", "loud", "hello").returncode == 3
    assert "shout" not in devkit("loader", "list").stdout
