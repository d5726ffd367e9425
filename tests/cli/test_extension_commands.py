"""An installed extension adds commands, joins groups, and never replaces a command of the core's."""

from pathlib import Path

import pytest

HOOKS = """\
from devkit_core.api import CommandSpec, hookimpl

@hookimpl
def devkit_register_commands():
    return [
        CommandSpec("hello", "sample_commands:hello", "Say hello."),
        CommandSpec("plugin frobnicate", "sample_commands:frobnicate", "Frobnicate \\u00e9."),
        CommandSpec("plugin list", "sample_commands:hello", "Not me."),
        CommandSpec("broken", "sample_commands:missing", "Broken."),
    ]
"""
COMMANDS = """\
import click

@click.command()
def hello():
    click.echo("hello")

@click.command()
@click.argument("plugin")
def frobnicate(plugin):
    click.echo("frobnicated " + plugin)
"""


@pytest.fixture
def extended(project, tmp_path: Path):
    site = tmp_path / "site"
    info = site / "sample-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[devkit.extensions]\nsample = sample_hooks\n")
    (site / "sample_hooks.py").write_text(HOOKS)
    (site / "sample_commands.py").write_text(COMMANDS)
    environ = project.environ(PYTHONPATH=str(site))

    def run(*words: str):
        return project.run(*words, env=environ)

    return run


def test_a_command_at_the_top_and_one_in_a_group(extended):
    assert extended("hello").stdout == b"hello\n"
    assert extended("plugin", "frobnicate", "x").stdout == b"frobnicated x\n"


def test_help_shows_them_without_importing_them(extended):
    assert b"Say hello." in extended("--help").stdout
    shown = extended("plugin", "--help").stdout.decode()
    assert "frobnicate   Frobnicate é." in shown
    assert "Not me." not in shown


def test_the_cores_commands_stay(extended):
    assert extended("plugin", "list", "--format", "json").stdout.startswith(b'{\n  "schema": "plugin-list/1"')


def test_did_you_mean_knows_them(extended):
    assert b"did you mean 'frobnicate'?" in extended("plugin", "frobnicat").stderr


def test_a_broken_one_is_a_typed_error(extended):
    done = extended("broken")
    assert b"error[extension-broken]" in done.stderr
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
