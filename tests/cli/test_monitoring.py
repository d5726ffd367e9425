"""devkit events, plugin stats and plugin logs reach hosts that run, and say so where none does."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import PluginRaised, WorkerCrashed
from devkit_core.manager import PluginManager

SAYS = """
def execute(text):
    print('said', text)
    if text == 'raise':
        raise ValueError('no')
    return text
"""


class Host:
    """A host program in a thread of its own, with every plugin loaded."""

    def __init__(self, ids: list[str], **settings: Any) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ids)))
        self._thread.start()
        assert self._ready.wait(30)

    async def _main(self, ids: list[str]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with PluginManager(PluginSystemConfig(**self._settings), places=Places.find()) as self.manager:
            for each in ids:
                await self.manager.load(each)
            self._ready.set()
            await self._stop.wait()

    def do(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(method(*arguments), self._loop).result(30)

    def execute(self, text: str) -> None:
        self.do(self.manager.execute, "one", text)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)


@pytest.fixture
def host(project) -> Iterator[Host]:
    project.plugin("one", SAYS)
    project.plugin("two")
    running = Host(["one", "two"])
    yield running
    running.close()


class Following:
    """A command that goes on, in a process of its own."""

    def __init__(self, project, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from devkit_core.cli.main import run; run()", *arguments],
            cwd=project.folder,
            env=project.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        return self.process.stdout.readline()

    def interrupt(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def following(project) -> Iterator[Callable[..., Following]]:
    started = []

    def start(*arguments: str) -> Following:
        started.append(Following(project, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def run_json(project, *arguments: str) -> Any:
    done = project.run(*arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_stats_of_running_hosts(project, host):
    for text in ("a", "bb"):
        host.execute(text)
    with pytest.raises(PluginRaised):
        host.execute("raise")
    (found,) = run_json(project, "plugin", "stats")["hosts"]
    assert found["pid"] == os.getpid()
    assert (found["stats"]["calls"], found["stats"]["failed_calls"]) == (3, 1)
    assert found["stats"]["plugins"].keys() == {"one", "two"}
    (only,) = run_json(project, "plugin", "stats", "one")["hosts"]
    numbers = only["stats"]["plugins"]["one"]
    assert numbers["errors"] == {"plugin-raised": 1}
    assert numbers["latency"]["p50"] > 0
    assert numbers["memory_bytes"] > 0
    shown = project.run("plugin", "stats").stdout.decode()
    assert shown.startswith("PLUGIN")
    assert "one     active  3      1" in shown
    detailed = project.run("plugin", "stats", "one").stdout.decode()
    assert "1 plugin-raised" in detailed
    assert "p99.9" in detailed


def test_numbers_stay_after_unloading(project, host):
    host.execute("a")
    host.do(host.manager.unload, "one")
    (found,) = run_json(project, "plugin", "stats", "one")["hosts"]
    assert found["stats"]["plugins"]["one"]["calls"] == 1
    assert found["stats"]["plugins"]["one"]["status"] == "stopped"
    assert run_json(project, "plugin", "info", "one")["running"] == []


def test_status_and_info_show_the_hosts_numbers(project, host):
    host.execute("a")
    (found,) = run_json(project, "plugin", "status")["hosts"]
    assert (found["calls"], found["failed"]) == (1, 0)
    assert b"one, two (1 calls, 0 failed)" in project.run("plugin", "status").stdout
    (running,) = run_json(project, "plugin", "info", "one")["running"]
    assert running["stats"]["calls"] == 1
    assert b"1 calls, 0 failed" in project.run("plugin", "info", "one").stdout


def test_recent_events(project, host):
    found = run_json(project, "events")["events"]
    assert [e["plugin"] for e in found if e["kind"] == "plugin-loaded"] == ["one", "two"]
    assert [e["sequence"] for e in found] == sorted(e["sequence"] for e in found)
    filtered = run_json(project, "events", "--plugin", "two", "--kind", "plugin-loaded")["events"]
    assert [(e["plugin"], e["kind"]) for e in filtered] == [("two", "plugin-loaded")]
    assert re.search(
        rb"plugin-loaded          one  version=1.0.0 seconds=\d+\.\d{1,3} ", project.run("events").stdout
    )
    lines = project.run("events", "--format", "jsonl", "--plugin", "two").stdout.splitlines()
    assert {json.loads(line)["schema"] for line in lines} == {"event/1"}


@contextlib.contextmanager
def again_and_again(action: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread until the block ends: what follows it may take its time to begin."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.2):
            action()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    over.set()
    thread.join()


def restart(host: Host) -> None:
    host.do(host.manager.unload, "one")
    host.do(host.manager.load, "one")


def test_events_are_followed(project, host, following):
    watching = following("events", "--follow", "--format", "jsonl", "--kind", "plugin-unloaded")
    with again_and_again(lambda: restart(host)):
        event = json.loads(watching.line())
    assert (event["kind"], event["plugin"], event["pid"]) == ("plugin-unloaded", "one", os.getpid())
    code, _, err = watching.interrupt()
    assert (code, err.strip()) == (130, "")


def test_a_host_that_comes_later_is_followed_too(project, following):
    project.plugin("one", SAYS)
    watching = following("events", "-f", "--kind", "plugin-unloaded", "--format", "jsonl")
    assert "waiting" in watching.process.stderr.readline()
    host = Host(["one"])
    try:
        with again_and_again(lambda: restart(host)):
            assert json.loads(watching.line())["plugin"] == "one"
    finally:
        host.close()
    assert watching.interrupt()[0] == 130


def test_logs_of_running_hosts(project, host, following):
    host.execute("hello")
    watching = following("plugin", "logs", "one", "-f", "--format", "jsonl")
    assert json.loads(watching.line())["text"] == "said hello"
    host.execute("again")
    line = json.loads(watching.line())
    assert (line["schema"], line["stream"], line["text"]) == ("log-line/1", "stdout", "said again")
    assert watching.interrupt()[0] == 130
    found = run_json(project, "plugin", "logs", "one")
    assert [each["text"] for each in found["lines"]] == ["said hello", "said again"]
    shown = project.run("plugin", "logs", "one", "-n", "1").stdout.decode()
    assert shown.endswith("stdout  said again\n")
    assert shown.count("\n") == 1


def test_logs_of_the_last_run(project, data, devkit):
    project.plugin("one", SAYS)
    assert data("plugin", "logs", "one")["lines"] == []
    assert "has printed nothing" in devkit("plugin", "logs", "one").stderr
    for text in ("first", "second"):
        project.run("plugin", "run", "one", text)
    assert [line["text"] for line in data("plugin", "logs", "one")["lines"]] == ["said second"]
    (line,) = devkit("plugin", "logs", "one", "--format", "jsonl").stdout.splitlines()
    assert json.loads(line)["text"] == "said second"


def test_without_a_host(project, devkit, data):
    project.plugin("one")
    assert data("events") == {"schema": "events/1", "events": []}
    assert data("plugin", "stats") == {"schema": "plugin-stats/1", "id": None, "hosts": []}
    assert "no running host" in devkit("plugin", "stats", "one").stderr
    assert "no host runs plugins now" in devkit("events").stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("events", "--kind", "plugin-exploded"), 2),
        (("events", "--follow", "--format", "json"), 2),
        (("events", "--follow", "--format", "yaml"), 2),
        (("plugin", "logs", "one", "-f", "--format", "json"), 2),
        (("plugin", "logs", "no-such-plugin"), 3),
        (("plugin", "logs", "../../etc/passwd"), 3),
        (("plugin", "stats", "no-such-plugin"), 3),
        (("plugin", "list", "--format", "jsonl"), 2),
    ],
)
def test_what_is_refused(project, devkit, words, code):
    project.plugin("one")
    assert "error[" in devkit(*words, code=code).stderr or "error" in devkit(*words, code=code).stderr


def test_a_plugin_that_died_too_often_is_shown_until_it_is_reloaded(project):
    project.plugin("one", SAYS.replace("raise ValueError('no')", "import os; os._exit(3)"))
    running = Host(["one"], max_restarts=0, circuit_cool_down=600)
    try:
        with pytest.raises(WorkerCrashed):
            running.execute("raise")
        shown = project.run("plugin", "stats", "one").stdout.decode()
        assert "error, unhealthy, circuit open: is tried again in" in shown
        shown = project.run("plugin", "info", "one").stdout.decode()
        assert "unhealthy, circuit open: is tried again in" in shown
        shown = project.run("plugin", "status").stdout.decode()
        assert f"(process {os.getpid()}): its calls fail for" in shown
        assert "devkit plugin reload one" in shown
        (found,) = run_json(project, "plugin", "status")["hosts"]
        assert found["circuits"]["one"]["state"] == "open"
        assert project.run("plugin", "reload", "one").returncode == 0
        (found,) = run_json(project, "plugin", "status")["hosts"]
        assert found["circuits"] == {}
        running.execute("again")
    finally:
        running.close()


FORGES = """
import devkit_plugin

def execute(text):
    devkit_plugin.log.info("real\\n12:00:00.000 stderr  forged")
    devkit_plugin.progress(2, 2, "real\\n12:00:00.000 plugin-loaded forged \\x1b[2J")
    return text
"""


def test_a_plugin_can_not_forge_lines(project, following):
    project.plugin("one", FORGES)
    host = Host(["one"])
    with contextlib.closing(host):
        watching = following("events", "-f", "--kind", "plugin-progress")
        with again_and_again(lambda: host.execute("")):
            assert "real\\n12:00:00.000 plugin-loaded forged \\x1b[2J" in watching.line()
        watching.interrupt()
    lines = project.run("plugin", "logs", "one").stdout.decode().splitlines()
    assert lines
    assert all("info  real" in line or line == "    12:00:00.000 stderr  forged" for line in lines)
