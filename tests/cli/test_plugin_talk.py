"""What a plugin tells while `devkit plugin run` waits for it, and input that it reads as it comes."""

import os
import pty
import subprocess
import sys

PIECES = """
from collections.abc import Iterator

def execute(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line.upper()
"""
FIRST = """
from collections.abc import Iterator

def execute(lines: Iterator[bytes]) -> bytes:
    return next(lines)
"""
TALKS = """
import devkit_plugin

def execute(text):
    devkit_plugin.log.warning("odd", line=3)
    devkit_plugin.progress(1, 4, "reading")
    devkit_plugin.progress(4, 4, "done")
    return text
"""


def start(project, *arguments, **more):
    command = [sys.executable, "-c", "from devkit_core.cli.main import run; run()", *arguments]
    return subprocess.Popen(command, cwd=project.folder, env=project.environ(), **more)


def test_standard_input_goes_line_by_line_as_it_comes(project):
    project.plugin("pieces", PIECES)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with start(project, "plugin", "run", "pieces", "-", **pipes) as running:
        for line in (b"one\n", "zwölf\n".encode(), b"three\n"):
            running.stdin.write(line)
            running.stdin.flush()
            assert running.stdout.readline() == line.decode().upper().encode()
        running.stdin.write(b"no end")
        running.stdin.close()
        assert running.stdout.read() == b"NO END"
        assert running.wait(60) == 0


def test_a_plugin_that_has_enough_leaves_the_rest(project):
    project.plugin("first", FIRST)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(project, "plugin", "run", "first", "-", **pipes) as running:
        running.stdin.write(b"\xff one\n")
        running.stdin.flush()
        assert running.stdout.read() == b"\xff one\n"
        assert running.wait(60) == 0
        assert running.stderr.read() == b""
        running.stdin.close()


def test_others_and_other_formats_get_the_whole(project):
    project.plugin("upper")
    project.plugin("pieces", PIECES)
    assert project.run("plugin", "run", "upper", "-", input=b"a\nb\n").stdout == b"A\nB\n"
    done = project.run("--format", "json", "plugin", "run", "pieces", "-", input=b"a\nb\n")
    assert b'"text": "A\\nB\\n"' in done.stdout


def test_progress_is_shown_on_a_terminal_alone(project):
    project.plugin("talks", TALKS)
    assert project.run("plugin", "run", "talks", "x").stderr == b""
    ours, theirs = pty.openpty()
    with start(project, "plugin", "run", "talks", "x", stdout=subprocess.PIPE, stderr=theirs) as running:
        os.close(theirs)
        assert running.stdout.read() == b"x"
        assert running.wait(60) == 0
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert b"25 % reading" in shown
    assert shown.endswith(b"\r\x1b[K")


def test_log_lines_are_shown_with_level_and_fields(project):
    project.plugin("talks", TALKS)
    assert b"talks warning: odd" in project.run("-v", "plugin", "run", "talks", "x").stderr
    assert b" warning  odd  line=3\n" in project.run("plugin", "logs", "talks").stdout
