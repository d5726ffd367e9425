"""devkit plugin dev runs samples again when files change, and shows what differs."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("watchfiles", reason='watchfiles is not installed (pip install "devkit-core[reload]")')


class Dev:
    """The command in a process of its own, with its two streams as they come."""

    def __init__(self, project, *arguments: str) -> None:
        command = [sys.executable, "-c", "from devkit_core.cli.main import run; run()", "plugin", "dev"]
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=project.folder,
            env=project.environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lines(self, count: int) -> list[str]:
        return [self.process.stdout.readline().rstrip("\n") for _ in range(count)]

    def told(self, text: str) -> list[str]:
        """The lines of stderr up to one with this text."""
        found = []
        for line in self.process.stderr:
            found.append(line.rstrip("\n"))
            if text in line:
                return found
        raise AssertionError(found)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def dev(project) -> Iterator:
    started = []

    def start(*arguments: str) -> Dev:
        started.append(Dev(project, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def upper(more: str = "") -> str:
    return f"def execute(text):\n    print('got', len(text))\n    return text.upper(){more}\n"


def test_writing_a_plugin(project, dev):
    folder = project.plugin("one", upper())
    (folder / "samples").mkdir()
    (folder / "samples" / "a.txt").write_text("same\nhello")
    (folder / "samples" / "b.json").write_text('{"key": 1}')
    (folder / "samples" / "ignored.md").write_text("no sample")
    running = dev(str(folder), "--input", "good night")
    assert running.lines(7) == [
        "== samples/a.txt", "SAME", "HELLO", "== samples/b.json", '{"KEY": 1}', "== --input 1", "GOOD NIGHT",
    ]  # fmt: skip
    running.told("watching")
    (folder / "plugin.py").write_text(upper(".replace('HELLO', 'BYE')"))
    running.told("reloaded one 1.0.0")
    assert running.lines(7) == [
        "== samples/a.txt", "@@ -1,2 +1,2 @@", " SAME", "-HELLO", "+BYE",
        "== samples/b.json: the same", "== --input 1: the same",
    ]  # fmt: skip
    assert any("got 10" in line for line in running.told("got 10"))
    (folder / "plugin.py").write_text("def execute(text):\n    return text.upper(\n")
    failure = "\n".join(running.told("the old instance goes on"))
    assert "error[load-failed]" in failure
    assert "plugin.py:2" in failure
    (folder / "plugin.py").write_text(upper())
    running.told("reloaded one")
    assert running.lines(5)[-2:] == ["-BYE", "+HELLO"]
    assert running.interrupt() == 130


def test_a_plugin_that_is_broken_at_first(project, dev):
    folder = project.plugin("one", "x = (\n")
    running = dev(str(folder), "--input", "hello")
    assert "plugin.py" in "\n".join(running.told("watching"))
    (folder / "plugin.py").write_text(upper())
    running.told("reloaded one")
    assert running.lines(2) == ["== --input 1", "HELLO"]


def test_lines_of_json(project, dev):
    folder = project.plugin("one", upper())
    running = dev(str(folder), "--input", "hello", "--format", "jsonl")
    (first,) = map(json.loads, running.lines(1))
    assert first == {
        "schema": "plugin-dev/1", "sample": "--input 1", "ok": True, "output": "HELLO", "changed": True,
    }  # fmt: skip
    (folder / "plugin.py").write_text("def execute(text):\n    return str(1 / 0)\n")
    kinds = [json.loads(line) for line in running.lines(4)]
    assert [each.get("kind") for each in kinds] == [
        "file-changed",
        "reload-started",
        "reload-succeeded",
        None,
    ]
    assert (kinds[3]["ok"], kinds[3]["changed"]) == (False, True)
    assert "ZeroDivisionError" in kinds[3]["output"]


def test_needs_of_the_plugin_are_found_in_the_project(project, dev):
    project.plugin("base")
    elsewhere = project.folder / "elsewhere"
    folder = project.plugin("one", upper(), more='[[dependencies]]\nid = "base"', parent=elsewhere)
    assert dev(str(folder), "--input", "x").lines(2) == ["== --input 1", "X"]


def test_without_inputs_it_says_how_to_give_some(project, dev):
    running = dev(str(project.plugin("one", upper())))
    running.told("samples/, or give --input")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("nowhere",), 1, "manifest-missing"),
        (("plugins/broken",), 1, "manifest-"),
        (("plugins/needy",), 5, "dependency-missing"),
        (("plugins/needy", "--format", "json"), 2, "jsonl"),
    ],
)
def test_what_is_refused(project, devkit, words, code, text):
    (project.plugin("broken") / "plugin.toml").write_text("[metadata\n")
    project.plugin("needy", more='[[dependencies]]\nid = "absent"')
    done = project.run("plugin", "dev", *words)
    assert done.returncode == code, done.stderr
    assert text in done.stderr.decode()
