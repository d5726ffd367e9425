"""devkit plugin run: input in every form, stdout exactly the answer, errors with their exit codes."""

import base64
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ECHO = "def execute(data):\n    return data\n"
BYTES = "def execute(data: bytes) -> bytes:\n    return data\n"
RAISES = "def execute(text):\n    value = 1\n    raise ValueError(f'bad \\x1b[31m{value}')\n"
ANALYSIS = '[[capabilities]]\ncapability = "CodeAnalysis"'


def test_an_argument_in_and_exactly_the_answer_out(project):
    project.plugin("upper")
    done = project.run("plugin", "run", "upper", "hello wörld")
    assert done.stdout == "HELLO WÖRLD".encode()
    assert done.stderr == b""
    assert done.returncode == 0


def test_no_input_is_empty_and_stdin_is_not_read(project):
    project.plugin("echo", ECHO)
    reading, writing = os.pipe()  # never written to: reading it would wait
    try:
        assert project.run("plugin", "run", "echo", stdin=reading).stdout == b""
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 8 << 20])
def test_standard_input_of_any_size(project, size):
    project.plugin("echo", ECHO)
    data = b"a\n" * (size // 2)
    done = project.run("plugin", "run", "echo", "-", input=data)
    assert done.stdout == data, done.stderr


def test_input_that_is_not_utf8_is_bytes(project):
    project.plugin("bytes", BYTES)
    data = bytes(range(256)) * 10
    assert project.run("plugin", "run", "bytes", "-", input=data).stdout == data
    assert project.run("plugin", "run", "bytes", b"caf\xe9").stdout == b"caf\xe9"  # type: ignore[arg-type]


def test_a_dash_follows_two(project, devkit):
    project.plugin("echo", ECHO)
    assert project.run("plugin", "run", "echo", "--", "--format").stdout == b"--format"
    assert devkit("plugin", "run", "echo", "--format-nothing", code=2)


def test_a_file_and_a_fifo(project, devkit):
    project.plugin("echo", ECHO)
    (project.folder / "in.txt").write_bytes(b"from a file\n")
    assert project.run("plugin", "run", "echo", "--file", "in.txt").stdout == b"from a file\n"
    shell = f"devkit() {{ {sys.executable} -c 'from devkit_core.cli.main import run; run()' \"$@\"; }}; "
    done = subprocess.run(
        ["bash", "-c", shell + "devkit plugin run echo --file <(printf piped)"],
        cwd=project.folder,
        env=project.environ(),
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"piped"
    assert "error[input-unreadable]" in devkit("plugin", "run", "echo", "--file", "nowhere", code=2).stderr
    devkit("plugin", "run", "echo", "--file", str(project.folder), code=2)


def test_usage_errors(project, devkit):
    project.plugin("echo", ECHO)
    devkit("plugin", "run", code=2)
    devkit("plugin", "run", "echo", "a", "--file", "b", code=2)
    devkit("plugin", "run", "echo", "a", "b", code=2)
    devkit("plugin", "run", "--all-with", "X", "a", "b", code=2)
    devkit("plugin", "run", "echo", "--timeout", "0", code=2)


def test_a_closed_standard_input(project):
    project.plugin("echo", ECHO)
    line = f"exec {sys.executable} -c 'from devkit_core.cli.main import run; run()' plugin run echo - <&-"
    done = subprocess.run(
        ["sh", "-c", line], cwd=project.folder, env=project.environ(), capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"error[input-closed]" in done.stderr


def test_input_over_the_limit(project):
    project.plugin("echo", ECHO)
    environ = project.environ(DEVKIT_MAX_PAYLOAD_MB="1")
    done = project.run("plugin", "run", "echo", "-", input=b"a" * ((1 << 20) + 1), env=environ)
    assert b"error[payload-too-large]" in done.stderr
    assert done.returncode == 1


def test_a_generator_streams(project):
    project.plugin("lines", "def execute(text):\n    for word in text.split():\n        yield word + '\\n'\n")
    assert project.run("plugin", "run", "lines", "a b c").stdout == b"a\nb\nc\n"


def test_a_reader_that_leaves_is_quiet(project):
    project.plugin("endless", "def execute(text):\n    while True:\n        yield 'y' * 1000 + '\\n'\n")
    child = subprocess.Popen(
        [sys.executable, "-c", "from devkit_core.cli.main import run; run()", "plugin", "run", "endless"],
        cwd=project.folder,
        env=project.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(30) == 0
    assert child.stderr.read() == b""
    child.stderr.close()


def test_the_plugins_own_exception(project, devkit):
    folder = project.plugin("raises", RAISES)
    result = devkit("plugin", "run", "raises", "x", code=1)
    assert result.stdout == ""
    assert "error[plugin-raised]" in result.stderr
    assert "line 3, in execute" in result.stderr
    assert "raise ValueError(" in result.stderr
    assert "\x1b" not in result.stderr
    assert "devkit_core" not in result.stderr.replace(str(folder), "")
    failed = json.loads(devkit("plugin", "run", "raises", "x", "--format", "json", code=1).stderr)
    assert failed["error"]["kind"] == "ValueError"


def test_a_call_that_takes_too_long(project, devkit):
    project.plugin("sleeps", "import time\ndef execute(text):\n    time.sleep(60)\n")
    result = devkit("plugin", "run", "sleeps", "--timeout", "0.2", code=8)
    assert "error[call-timeout]" in result.stderr


def test_unknown_and_disabled(project, devkit):
    project.plugin("echo", ECHO)
    assert "Did you mean echo?" in devkit("plugin", "run", "ecko", code=3).stderr
    devkit("plugin", "disable", "echo")
    assert "devkit plugin enable echo" in devkit("plugin", "run", "echo", code=1).stderr


def test_json_output(project, devkit, data):
    project.plugin("upper")
    found = data("plugin", "run", "upper", "a")
    assert found == {
        "schema": "plugin-run/1",
        "id": "upper",
        "ok": True,
        "text": "A",
        "base64": None,
        "error": None,
    }
    project.plugin("bytes", BYTES)
    assert base64.b64decode(data("plugin", "run", "bytes", "a")["base64"]) == b"a"


def test_one_line_about_what_is_withheld(project, devkit, data):
    project.plugin("asker", more='[permissions]\npermissions = ["network:http"]')
    lines = devkit("plugin", "run", "asker", "a").stderr.splitlines()
    assert len(lines) == 1
    assert "devkit plugin permissions grant asker network:http" in lines[0]
    assert devkit("plugin", "run", "asker", "a", "-q").stderr == ""
    assert devkit("plugin", "run", "asker", "a", "--format", "json").stderr == ""
    devkit("plugin", "permissions", "grant", "asker", "network:http")
    assert devkit("plugin", "run", "asker", "a").stderr == ""


def test_verbose_shows_what_the_plugin_prints(project):
    code = "import sys\ndef execute(text):\n    print('told \\x1b[0m')\n    return 'answer'\n"
    project.plugin("prints", code)
    done = project.run("plugin", "run", "prints", "-v")
    assert done.stdout == b"answer"
    assert b"told \\x1b[0m" in done.stderr
    assert project.run("plugin", "run", "prints").stderr == b""


def test_another_function(project, devkit):
    code = "def execute(text):\n    return ''\n\ndef count(text):\n    return str(len(text))\n"
    project.plugin("counts", code, more='[functions.count]\ndescription = "Counts"')
    assert devkit("plugin", "run", "counts", '"abc"', "--fn", "count").stdout == '"3"'
    assert "error[function-missing]" in devkit("plugin", "run", "counts", "--fn", "nope", code=1).stderr


def test_all_with_a_capability(project, devkit, data):
    project.plugin("one", more=ANALYSIS)
    project.plugin("two", "def execute(text):\n    return text + '\\n'\n", more=ANALYSIS)
    project.plugin("other")
    result = devkit("plugin", "run", "--all-with", "code-analysis", "abc")
    assert result.stdout == "ABC\nabc\n"
    assert [line for line in result.stderr.splitlines() if line.startswith("==")] == ["== one", "== two"]
    found = data("plugin", "run", "--all-with", "CodeAnalysis", "abc")
    assert found["schema"] == "plugin-run-all/1"
    assert [(each["id"], each["text"]) for each in found["results"]] == [("one", "ABC"), ("two", "abc\n")]
    devkit("plugin", "disable", "one")
    assert devkit("plugin", "run", "--all-with", "CodeAnalysis", "abc").stdout == "abc\n"
    devkit("plugin", "run", "--all-with", "Nonsense", "abc", code=3)


def test_some_of_many_failed(project, devkit, data):
    project.plugin("fails", RAISES, more=ANALYSIS)
    project.plugin("fine", more=ANALYSIS)
    (project.plugin("unready", more=ANALYSIS) / "plugin.py").unlink()
    result = devkit("plugin", "run", "--all-with", "CodeAnalysis", "abc", code=9)
    assert result.stdout == "ABC\n"
    assert "error[plugin-raised]" in result.stderr
    assert "error[entry-point-missing]" in result.stderr
    found = data("plugin", "run", "--all-with", "CodeAnalysis", "abc", code=9)["results"]
    assert [each["ok"] for each in found] == [False, True, False]


def test_allow_unconfined_is_accepted(project, devkit):
    project.plugin("upper")
    assert devkit("plugin", "run", "upper", "a", "--allow-unconfined").stdout == "A"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_worker_too(project, number):
    code = "import time\nprint('begun', flush=True)\ndef execute(text):\n    time.sleep(60)\n"
    project.plugin("waits", code)
    child = _start(project, "plugin", "run", "waits", "-v")
    assert child.stderr is not None
    assert child.stdout is not None
    assert b"begun" in child.stderr.readline()
    time.sleep(0.2)
    child.send_signal(number)
    assert child.wait(30) == 130
    assert b"Traceback" not in child.stderr.read()
    child.stderr.close()
    child.stdout.close()
    _wait_for_the_last(child.pid)


def test_a_second_interrupt_kills(project):
    code = (
        "import time\n"
        "def execute(text):\n    print('begun', flush=True)\n    time.sleep(60)\n"
        "def shutdown():\n    print('leaving', flush=True)\n    time.sleep(60)\n"
    )
    project.plugin("clings", code)
    child = _start(project, "plugin", "run", "clings", "-v")
    assert child.stderr is not None
    assert b"begun" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) in (-signal.SIGINT, 130)
    child.stderr.close()
    assert child.stdout is not None
    child.stdout.close()
    _wait_for_the_last(child.pid)


def _start(project, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "from devkit_core.cli.main import run; run()", *words],
        cwd=project.folder,
        env=project.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _wait_for_the_last(session: int) -> None:
    """Wait until no process of the session is left; fail where one stays."""
    deadline = time.monotonic() + 10
    while left := [each for each in Path("/proc").glob("[0-9]*/stat") if _session(each) == session]:
        assert time.monotonic() < deadline, [each.read_text() for each in left]
        time.sleep(0.05)


def _session(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return 0


def on_terminal(project, *words: str) -> bytes:
    """Run devkit with a terminal as stdout and return what it shows."""
    leader, follower = pty.openpty()
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", "from devkit_core.cli.main import run; run()", *words],
            cwd=project.folder,
            env=project.environ(TERM="xterm-256color", COLUMNS="60"),
            stdin=subprocess.DEVNULL,
            stdout=follower,
            stderr=subprocess.PIPE,
        )
        os.close(follower)
        shown = b""
        try:
            while piece := os.read(leader, 65536):
                shown += piece
        except OSError:
            pass  # the other end is closed
        assert child.wait(30) == 0
        assert child.stderr is not None
        child.stderr.close()
    finally:
        os.close(leader)
    return shown


def test_on_a_terminal_the_answer_ends_with_a_line_break(project):
    project.plugin("upper")
    assert on_terminal(project, "plugin", "run", "upper", "a") == b"A\r\n"
    assert on_terminal(project, "plugin", "run", "upper", "a\n") == b"A\r\n"
    assert on_terminal(project, "plugin", "run", "upper", "") == b""


def test_on_a_terminal_an_answer_cannot_steer_it(project):
    source = "def execute(text: str) -> str:\n    return 'a\\tb\\r\\nc \\x1b[2J\\x9b\\u202e'\n"
    project.plugin("steering", source)
    assert on_terminal(project, "plugin", "run", "steering") == b"a    b\r\nc \\x1b[2J\\x9b\\u202e\r\n"
    piped = project.run("plugin", "run", "steering").stdout
    assert piped == "a\tb\r\nc \x1b[2J\x9b\u202e".encode()


def test_on_a_terminal_a_table_is_coloured_and_foreign_text_is_not(project):
    project.plugin("upper", description="[red]long[/red] " + "word " * 30)
    shown = on_terminal(project, "plugin", "list")
    assert b"\x1b[36mupper" in shown
    assert b"[red]long[/red]" in shown
    assert b"\x1b[" not in on_terminal(project, "plugin", "list", "--color", "never")
