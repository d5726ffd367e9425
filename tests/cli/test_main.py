"""The frame of the command: options anywhere, errors, streams, and what must not be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from devkit_core.cli.main import root

DEVKIT = [sys.executable, "-c", "from devkit_core.cli.main import run; run()"]


def devkit(*arguments: str, home: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    environ = {"PATH": os.environ["PATH"], "DEVKIT_HOME": str(home), **more.pop("environ", {})}
    more.setdefault("cwd", home)
    return subprocess.run(
        [*DEVKIT, *arguments], env=environ, capture_output=True, timeout=60, check=False, **more
    )


def test_version(tmp_path: Path) -> None:
    done = devkit("--version", home=tmp_path)
    assert done.stdout.startswith(b"devkit 0.")
    assert done.returncode == 0


def test_an_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    done = devkit("plugn", home=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"error[usage]: no command 'plugn'" in done.stderr
    assert b"did you mean 'plugin'?" in done.stderr


def test_a_command_of_a_group_is_found_without_its_group(tmp_path: Path) -> None:
    assert b"did you mean 'plugin run'?" in devkit("run", "one", home=tmp_path).stderr
    assert b"did you mean 'plugin list' or 'loader list'?" in devkit("list", home=tmp_path).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "json", "explain", "nonsense"),
        ("explain", "--format=json", "nonsense"),
        ("explain", "nonsense", "--format", "json"),
    ],
)
def test_errors_are_one_json_object_on_stderr(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = devkit(*arguments, home=tmp_path)
    assert done.stdout == b""
    assert json.loads(done.stderr)["error"]["code"] == "code-unknown"
    assert done.returncode == json.loads(done.stderr)["exit_code"] == 3


def test_an_error_of_parsing_is_json_too(tmp_path: Path) -> None:
    done = devkit("explain", "--nonsense", "--format", "json", home=tmp_path)
    assert json.loads(done.stderr)["error"]["code"] == "usage"
    assert done.returncode == 2


@pytest.mark.parametrize("words", [(), ("plugin",), ("config",)])
def test_a_group_alone_shows_its_help_on_stderr(words: tuple[str, ...], tmp_path: Path) -> None:
    done = devkit(*words, home=tmp_path)
    assert done.stdout == b""
    assert done.stderr.startswith(b"Usage: devkit ")
    assert b"Commands:" in done.stderr
    assert done.returncode == 2
    done = devkit(*words, "--format", "json", home=tmp_path)
    assert json.loads(done.stderr)["error"]["message"] in ("which command?", "missing command")


def test_directory_option(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "devkit.toml").touch()
    done = devkit("-C", "here", "config", "paths", "--format", "json", home=tmp_path)
    assert json.loads(done.stdout)["project"] == str(tmp_path / "here")
    assert devkit("-C", "nowhere", "config", "paths", home=tmp_path).returncode == 2


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*DEVKIT, "explain", "usage"],
        env={"PATH": os.environ["PATH"], "DEVKIT_HOME": str(tmp_path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 0


def test_a_full_disk_is_no_bug(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*DEVKIT, "explain", "usage"],
            env={"PATH": os.environ["PATH"], "DEVKIT_HOME": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.stderr.startswith(b"error[disk-full]: ")
    assert b"Exception ignored" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_are_no_traceback(closed: str, tmp_path: Path) -> None:
    line = f'exec {sys.executable} -c "from devkit_core.cli.main import run; run()" help exit-codes {closed}'
    done = subprocess.run(
        ["sh", "-c", line],
        env={"PATH": os.environ["PATH"], "DEVKIT_HOME": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_an_ascii_terminal_gets_escapes_not_a_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "é"
    folder.mkdir()
    environ = {"PYTHONIOENCODING": "ascii"}
    done = devkit("config", "paths", home=tmp_path, cwd=folder, environ=environ)
    assert done.returncode == 0
    assert b"\\xe9" in done.stdout
    done = devkit("config", "paths", "--format", "json", home=tmp_path, cwd=folder, environ=environ)
    assert json.loads(done.stdout)["project"].endswith("é")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> click.Command:
    @click.command("fail")
    def fail() -> None:
        raise RuntimeError("oh \x1b[31mno")

    monkeypatch.setitem(root.commands, "fail", fail)
    return fail


@pytest.mark.usefixtures("failing")
def test_our_own_bug_is_70_with_the_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(root, ["fail"])
    assert done.exit_code == 70
    assert "error[bug]: RuntimeError: oh \\x1b[31mno" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in CliRunner().invoke(root, ["-v", "fail"]).stderr
    monkeypatch.setenv("DEVKIT_DEBUG", "1")
    assert "Traceback" in CliRunner().invoke(root, ["fail"]).stderr


def test_what_a_command_returns_is_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(root.commands, "returns", click.Command("returns", callback=lambda: 5))
    assert CliRunner().invoke(root, ["returns"]).exit_code == 0


def test_interrupted_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("interrupted")
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(root.commands, "interrupted", interrupted)
    assert CliRunner().invoke(root, ["interrupted"]).exit_code == 130


def test_help_of_a_command_and_of_a_topic() -> None:
    shown = CliRunner().invoke(root, ["help", "config", "get"])
    assert "Usage: devkit config get" in shown.stdout
    assert "Examples:" in shown.stdout
    assert CliRunner().invoke(root, ["help", "nonsense"]).exit_code == 2
    assert CliRunner().invoke(root, ["help", "explain", "more"]).exit_code == 2
    topic = json.loads(CliRunner().invoke(root, ["help", "exit-codes", "--format", "json"]).stdout)
    assert topic["exit_codes"][-1] == {"code": 130, "meaning": "interrupted"}


HEAVY = {"asyncio", "msgspec", "rich", "packaging", "resolvelib", "tomlkit", "httpx2", "wasmtime"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["plugin", "--help"], ["--version"], ["help", "exit-codes"]]
)
def test_nothing_heavy_is_imported(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr))\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "from devkit_core.cli.main import run\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "DEVKIT_HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stderr.decode().split("\n")[-2].split())
