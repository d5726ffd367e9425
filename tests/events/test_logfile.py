"""A plugin's file of lines is private and bounded, and no failure of it reaches the plugin."""

import json
import os
import stat
from pathlib import Path

import pytest

from devkit_core.events.logfile import LogFile, last_run


def line(text: str, host: int = 1) -> dict:
    return {"time": 1.0, "host": host, "stream": "stdout", "text": text}


def texts(folder, plugin="one"):
    return [entry["text"] for entry in last_run(folder, plugin)]


def test_only_its_owner_may_read_it(tmp_path):
    folder = tmp_path / "state" / "logs"
    file = LogFile(folder, "one")
    file.write(line("hello"))
    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert texts(folder) == ["hello"]


def test_it_is_bounded(tmp_path):
    file = LogFile(tmp_path, "one", limit=2000)
    for number in range(1000):
        file.write(line(f"line {number}"))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"one.log", "one.log.1"}
    assert all(size <= 2000 for size in sizes.values())
    found = texts(tmp_path)
    assert found[-1] == "line 999"
    assert found == [f"line {n}" for n in range(1000 - len(found), 1000)]


def test_two_hosts_share_it(tmp_path):
    one, two = (LogFile(tmp_path, "one", limit=1000) for _ in range(2))
    for number in range(100):
        one.write(line(f"one {number}", host=1))
        two.write(line(f"two {number}", host=2))
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    assert texts(tmp_path)[-1] == "two 99"
    assert all(text.startswith("two") for text in texts(tmp_path))


def test_control_characters_do_not_reach_a_terminal(tmp_path):
    file = LogFile(tmp_path, "one")
    file.write(line("\x1b[2J\u202e evil"))
    assert file.path.read_bytes().isascii()
    assert b"\x1b" not in file.path.read_bytes()
    assert texts(tmp_path) == ["\x1b[2J\u202e evil"]


@pytest.mark.parametrize(
    "damage", [b"", b"\xff\xfe\n", b'{"half": ', b"[1]\n", b"[" * 100_000 + b"\n", b'{"text": 5}\n']
)
def test_damaged_lines_are_left_out(tmp_path, damage):
    LogFile(tmp_path, "one").write(line("before"))
    path = tmp_path / "one.log"
    path.write_bytes(path.read_bytes() + damage + b"\n" + json.dumps(line("after")).encode() + b"\n")
    assert texts(tmp_path) == ["before", "after"]


def test_nothing_to_read(tmp_path):
    assert last_run(tmp_path / "nowhere", "one") == []


def test_what_cannot_be_written_is_given_up_with_one_warning(tmp_path, caplog):
    (tmp_path / "logs").write_text("a file in the folder's place")
    file = LogFile(tmp_path / "logs", "one")
    for _ in range(5):
        file.write(line("lost"))
    assert len(caplog.records) == 1
    assert "can't be written" in caplog.text


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("")
    (tmp_path / "one.log").symlink_to(tmp_path / "target")
    LogFile(tmp_path, "one").write(line("hello"))
    assert (tmp_path / "target").read_text() == ""


def test_a_full_disk(caplog):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    file = LogFile(Path("/dev"), "one")
    file.path = Path("/dev/full")
    file.write(line("lost"))
    file.write(line("lost"))
    assert caplog.text.count("No space left") == 1
