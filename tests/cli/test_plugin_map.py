"""devkit plugin map: a call for every line, a results file that is valid whenever it stops."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

SLOW = """
import time
def execute(text):
    if text.startswith("sleep"):
        time.sleep(float(text.split()[1]))
    if text == "fail":
        raise ValueError("no")
    return text.upper()
"""


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def given(project):
    project.plugin("slow", SLOW)

    def write(*lines: str) -> str:
        path = project.folder / "in.jsonl"
        path.write_text("".join(line + "\n" for line in lines))
        return str(path)

    return write


def test_json_lines_in_and_out(project, devkit, given):
    lines = given('"one"', "", '{"two": 2}', "not json", '"fail"', '"caf\\u00e9"', "3")
    shown = devkit("plugin", "map", "slow", lines, "--out", "out.jsonl", code=9)
    assert shown.stdout == "4 answered, 2 failed; results in out.jsonl\n"
    assert shown.stderr.startswith("line 4: input-line-invalid: the line is not JSON")
    assert shown.stderr.endswith("; --raw takes lines as they stand\n")
    found = read(project.folder / "out.jsonl")
    assert [(each["index"], each["ok"], each["text"]) for each in found] == [
        (0, True, "ONE"),
        (2, True, '{"TWO": 2}'),
        (3, False, None),
        (4, False, None),
        (5, True, "CAFÉ"),
        (6, True, "3"),
    ]
    assert [each["error"]["code"] for each in found if not each["ok"]] == [
        "input-line-invalid",
        "plugin-raised",
    ]
    assert {each["schema"] for each in found} == {"plugin-map-result/1"}


def test_raw_lines_from_a_pipe_to_stdout(project):
    project.plugin("slow", SLOW)
    done = project.run("plugin", "map", "slow", "-", "--raw", input=b'one\r\n\n"two"\n\xc3\xa9')
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["text"] for each in found] == ["ONE", "", '"TWO"', "É"]
    assert (done.returncode, done.stderr) == (0, b"")


def test_each_line_of_a_slow_pipe_is_answered_at_once(project):
    project.plugin("slow", SLOW)
    out = project.folder / "out.jsonl"
    command = [sys.executable, "-c", "from devkit_core.cli.main import run; run()", "plugin", "map", "slow"]
    more = {"cwd": project.folder, "env": project.environ(), "stdin": -1, "stdout": -1}
    with subprocess.Popen([*command, "-", "--out", "out.jsonl"], **more) as process:
        for word in ("one", "two"):
            process.stdin.write(f'"{word}"\n'.encode())
            process.stdin.flush()
            while not out.exists() or word.upper() not in out.read_text():
                time.sleep(0.02)
        process.stdin.close()
        assert process.wait(20) == 0


def test_resume_skips_what_was_answered_and_tries_failures_again(project, devkit, given):
    lines = given('"a"', '"fail"', '"c"', '"d"')
    out = project.folder / "out.jsonl"
    devkit("plugin", "map", "slow", lines, "--out", "out.jsonl", code=9)
    whole = out.read_text().splitlines(keepends=True)
    out.write_text("".join(whole[:2]) + whole[2][:30])  # cut off, as by a full disk
    project.plugin("slower", SLOW.replace("raise", "return"))
    shown = devkit("plugin", "map", "slow", lines, "--out", "out.jsonl", "--resume", code=9)
    assert shown.stdout.startswith("2 answered, 1 failed, 1 were there already;")
    assert sorted((each["index"], each["ok"]) for each in read(out)) == [
        (0, True),
        (1, False),
        (2, True),
        (3, True),
    ]
    assert (
        "results-foreign"
        in devkit("plugin", "map", "slower", lines, "--out", "out.jsonl", "--resume", code=2).stderr
    )
    assert devkit("plugin", "map", "slow", lines, "--out", "new.jsonl", "--resume", code=9)


def test_what_can_not_be_meant(project, devkit, given):
    lines = given('"a"')
    devkit("plugin", "map", "slow", lines, "--out", "out.jsonl")
    assert "results-exist" in devkit("plugin", "map", "slow", lines, "--out", "out.jsonl", code=2).stderr
    assert "results-unwritable" in devkit("plugin", "map", "slow", lines, "--out", "no/out", code=1).stderr
    assert "input-unreadable" in devkit("plugin", "map", "slow", "nowhere", "--out", "x", code=2).stderr
    assert "input-unreadable" in devkit("plugin", "map", "slow", ".", "--out", "x", code=2).stderr
    devkit("plugin", "map", "slow", lines, "--resume", code=2)
    devkit("plugin", "map", "nothing", lines, "--out", "y.jsonl", code=3)
    (project.folder / "out.jsonl").write_text("something else\n")
    refused = devkit("plugin", "map", "slow", lines, "--out", "out.jsonl", "--resume", code=2)
    assert "results-foreign" in refused.stderr
    assert (project.folder / "out.jsonl").read_text() == "something else\n"
    full = devkit("plugin", "map", "slow", lines, "--out", "/dev/full", "--resume", code=1)
    assert "results-unwritable" in full.stderr


def test_a_line_that_is_too_long_fails_alone(project, devkit):
    project.plugin("slow", SLOW)
    (project.folder / "in.txt").write_bytes(b"a\n" + b"x" * (1 << 20) + b"yz\nb\n" + b"x" * (3 << 20))
    devkit("config", "set", "max_payload_mb", "1")
    devkit("plugin", "map", "slow", "in.txt", "--raw", "--out", "out.jsonl", code=9)
    assert [each["text"] for each in read(project.folder / "out.jsonl")] == ["A", None, "B", None]


def test_as_they_come(project, given):
    code = "import asyncio\nasync def execute(text):\n    await asyncio.sleep(float(text))\n    return text\n"
    project.plugin("waits", code)
    lines = given("0.6", "0.3", "0")
    done = project.run("plugin", "map", "waits", lines, "--as-completed")
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [2, 1, 0]
    done = project.run("plugin", "map", "waits", lines)
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [0, 1, 2]


def test_ctrl_c_leaves_valid_results_that_resume(project, given):
    lines = given(*(f'"sleep 0.02 {number}"' for number in range(100)))
    out = project.folder / "out.jsonl"
    command = [sys.executable, "-c", "from devkit_core.cli.main import run; run()"]
    command += ["plugin", "map", "slow", lines, "--out", "out.jsonl"]
    more = {"cwd": project.folder, "env": project.environ(), "stdout": -1, "stderr": -1}
    with subprocess.Popen(command, **more) as process:
        while not out.exists() or len(out.read_text().splitlines()) < 5:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"--resume goes on" in told
    some = len(read(out))
    assert 5 <= some < 100
    done = project.run("plugin", "map", "slow", lines, "--out", "out.jsonl", "--resume")
    assert done.returncode == 0
    assert f"{100 - some} answered, 0 failed, {some} were there already".encode() in done.stdout
    assert sorted(each["index"] for each in read(out)) == list(range(100))


def test_progress_on_a_terminal_and_none_when_quiet(project, given):
    lines = given(*['"sleep 0.05"'] * 24)
    ours, theirs = pty.openpty()
    try:
        done = project.run(
            "plugin", "map", "slow", lines, "--out", "a", stdout=subprocess.DEVNULL, stderr=theirs
        )
        assert done.returncode == 0
        shown = os.read(ours, 1 << 16).decode()
        assert " done, " in shown
        assert shown.endswith("\r\x1b[K")
    finally:
        os.close(ours)
        os.close(theirs)
    assert b" done, " in project.run("plugin", "map", "slow", lines, "--out", "b").stderr
    assert project.run("plugin", "map", "slow", lines, "--out", "c", "-q").stderr == b""
