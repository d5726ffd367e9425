"""devkit plugin config shows and changes a plugin's settings, and never a secret."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

SCHEMA = """
[config.size]
type = "integer"
description = "How much"
default = 1
max = 9
[config.token]
type = "string"
secret = true
[config.server]
type = "table"
fields.port = { type = "integer" }
"""
CODE = """
def initialize(config):
    global given
    given = config
def execute(text):
    return repr(sorted(given)) + str(given["size"])
"""


@pytest.fixture(autouse=True)
def plugin(project):
    project.plugin("tuned", CODE, more=SCHEMA)
    project.plugin("plain")


def test_set_get_unset_show(devkit, data):
    assert "would set size = 4" in devkit("plugin", "config", "tuned", "set", "size", "4", "--dry-run").stderr
    assert data("plugin", "config", "tuned", "get", "size")["value"] == 1
    devkit("plugin", "config", "tuned", "set", "size", "4")
    devkit("plugin", "config", "tuned", "set", "server.port", "80")
    assert devkit("plugin", "config", "tuned", "get", "size").stdout == "4\n"
    assert devkit("plugin", "config", "tuned", "get", "server.port").stdout == "80\n"
    rows = {row["name"]: row for row in data("plugin", "config", "tuned")["settings"]}
    assert rows["size"]["value"] == 4
    assert rows["size"]["origin"]["scope"] == "file"
    assert rows["size"]["variable"] == "DEVKIT_PLUGIN_TUNED__SIZE"
    assert data("plugin", "config", "tuned", "unset", "size")["changed"] is True
    assert data("plugin", "config", "tuned", "unset", "size")["changed"] is False


def test_a_secret_is_never_shown(devkit, data, project):
    out = devkit("plugin", "config", "tuned", "set", "token", "-", input="hunter2\n").output
    for words in ((), ("get", "token"), ("set", "token", "hunter2")):
        for form in ("table", "json", "yaml"):
            out += devkit("plugin", "config", "tuned", *words, "--format", form, "-v").output
    out += devkit("plugin", "run", "tuned", "-v").output
    assert "hunter2" not in out
    assert "***" in out
    assert "token" in out


def test_run_takes_settings(devkit):
    assert devkit("plugin", "run", "tuned", "--set", "size=7").stdout == "['size']7"
    devkit("plugin", "run", "tuned", "--set", "size=70", code=2)
    devkit("plugin", "run", "tuned", "--set", "nothing=1", code=None)
    assert "KEY=VALUE" in devkit("plugin", "run", "tuned", "--set", "size", code=2).stderr
    devkit("plugin", "run", "--all-with", "Testing", "--set", "size=1", code=2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("tuned", "set", "size"), 2),
        (("tuned", "get"), 2),
        (("tuned", "show", "size"), 2),
        (("tuned", "show", "--dry-run"), 2),
        (("tuned", "turn", "size"), 2),
        (("tuned", "set", "size", "x"), 2),
        (("tuned", "set", "size", "10"), 2),
    ],
)
def test_what_is_wrong_changes_nothing(devkit, project, words, code):
    devkit("plugin", "config", *words, code=code)
    assert not (project.home / "config" / "plugins").exists()


def test_what_is_not_there(devkit):
    missing = devkit("plugin", "config", "tuned", "get", "siez", code=None)
    assert missing.exit_code not in (0, 1)
    assert "plugin-config-unknown-key" in missing.stderr
    assert "no settings" in devkit("plugin", "config", "plain").stderr
    assert devkit("plugin", "config", "nobody", code=None).exit_code != 0


def test_a_damaged_file_still_lists_the_settings(devkit, project):
    folder = project.home / "config" / "plugins"
    folder.mkdir(parents=True)
    (folder / "tuned.toml").write_text("size = 'x'\n")
    shown = devkit("plugin", "config", "tuned", code=2)
    assert "size" in shown.stdout
    assert "tuned.toml" in shown.stderr


HOST = """
import asyncio, sys
from devkit_core import PluginManager

async def main():
    async with PluginManager() as manager:
        for each in sys.argv[1:]:
            await manager.load(each)
        with manager.subscribe(kinds=["plugin-config-updated"]) as events:
            print("ready", flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                print(await manager.execute(line.strip()), flush=True)
        print([event.data["keys"] async for event in events])

asyncio.run(main())
"""


class Host:
    """A host program, in a process of its own."""

    def __init__(self, project, *ids: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOST, *ids],
            cwd=project.folder,
            env=project.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def execute(self, plugin: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{plugin}\n")
        self.process.stdin.flush()
        return self._line()

    def close(self) -> str:
        return self.process.communicate(timeout=30)[0].strip()


@pytest.fixture
def host(project) -> Iterator[Host]:
    live = "def configure(config):\n    assert config['size'] != 9, 'nine'\n    initialize(config)\n"
    project.plugin("live", CODE + live, more=SCHEMA)
    running = Host(project, "tuned", "live", "plain")
    yield running
    running.process.kill()
    running.process.communicate()


def test_running_hosts_are_given_the_change(project, host):
    for plugin in ("tuned", "live"):  # one is reloaded for it
        assert host.execute(plugin) == "['size']1"
        done = project.run("plugin", "config", plugin, "set", "size", "4", "--dry-run")
        assert done.stderr.endswith(b": would be given the change\n")
        assert host.execute(plugin) == "['size']1"
        done = project.run("plugin", "config", plugin, "set", "size", "4")
        assert done.returncode == 0, done.stderr
        assert f"{plugin} in ".encode() in done.stderr
        assert done.stderr.endswith(b": has the settings\n")
        assert host.execute(plugin) == "['size']4"
        done = project.run("plugin", "config", plugin, "set", "size", "4", "--format", "json")
        told = [(each["pid"], each["error"]) for each in json.loads(done.stdout)["hosts"]]
        assert told == [(host.process.pid, None)]
        done = project.run("plugin", "config", plugin, "unset", "size", "--format", "json")
        assert json.loads(done.stdout)["hosts"][0]["error"] is None
        assert host.execute(plugin) == "['size']1"
        done = project.run("plugin", "config", plugin, "unset", "size", "--format", "json")
        assert json.loads(done.stdout)["hosts"] == []
    assert host.close() == str([["size"]] * 4)


def test_a_host_whose_plugin_refuses_goes_on(project, host):
    done = project.run("plugin", "config", "live", "set", "size", "9")
    assert done.returncode == 1
    assert b"error[plugin-config-refused]" in done.stderr
    assert b"nine" in done.stderr
    assert host.execute("live") == "['size']1"
    assert project.run("plugin", "config", "live", "set", "size", "5").returncode == 0
    assert host.execute("live") == "['size']5"


def test_a_host_that_has_it_not_is_none(project, host):
    project.plugin("other", CODE, more=SCHEMA)
    done = project.run("plugin", "config", "other", "set", "size", "2")
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 1)
