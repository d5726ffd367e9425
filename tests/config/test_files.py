"""Files read within bounds and replaced whole."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from devkit_core.config.files import NotRegular, TooLarge, read_bounded, read_own, replace_file


def test_reads_and_says_what_was_read(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    data, facts = read_bounded(path, 3)
    assert (data, facts.st_ino) == (b"abc", path.stat().st_ino)


def test_refuses_more_than_the_limit(tmp_path):
    (tmp_path / "f").write_bytes(b"abcd")
    with pytest.raises(TooLarge):
        read_bounded(tmp_path / "f", 3)


def test_a_file_without_a_size_is_bounded_too():
    with pytest.raises(TooLarge):
        read_bounded("/proc/self/status", 10)


@pytest.mark.parametrize("kind", ["fifo", "folder", "socket", "device"])
def test_refuses_what_is_no_file_at_once(tmp_path, kind):
    path = tmp_path / "f"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = "/dev/zero"
    else:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(path))
    with pytest.raises(OSError):  # noqa: PT011 - a socket can't even be opened
        read_bounded(path, 3)


def test_links_are_followed_unless_told(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("f")
    assert read_bounded(tmp_path / "link", 3)[0] == b"abc"
    with pytest.raises(NotRegular):
        read_bounded(tmp_path / "link", 3, follow=False)


def test_only_a_file_of_ones_own_is_trusted(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert read_own(path, 9) == b"abc"
    path.chmod(0o666)
    assert read_own(path, 9) is None
    assert read_own(tmp_path / "none", 9) is None


def test_a_strangers_file_is_not_trusted(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        path = Path("/etc/passwd")
    assert read_own(path, 1 << 20) is None


@pytest.mark.parametrize("durable", [False, True])
def test_replaces_with_the_mode_and_makes_the_folder(tmp_path, durable):
    path = tmp_path / "new" / "f"
    replace_file(path, b"one", durable=durable)
    replace_file(path, b"two", mode=0o644, durable=durable)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["f"]


def test_a_failure_leaves_the_old_and_no_rest(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - which one is the system's
        replace_file(tmp_path / "f", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
