"""Scratch folders end with their host, and the next host removes what a dead one left."""

import os
import subprocess
import sys

import pytest

from devkit_core.errors import StateError
from devkit_core.running.scratch import ScratchRoot, instance_folder, remove

LEAVE = "import os, sys; from pathlib import Path\nfrom devkit_core.running.scratch import ScratchRoot\n" \
    "print(ScratchRoot(Path(sys.argv[1])).path, flush=True); os._exit(0)"  # fmt: skip


def test_life(tmp_path):
    root = ScratchRoot(tmp_path)
    (root.path / "plugin").mkdir()
    root.close()
    root.close()
    assert not root.path.exists()


def test_hosts_leave_each_other_alone(tmp_path):
    one = ScratchRoot(tmp_path)
    two = ScratchRoot(tmp_path)
    assert one.path.is_dir()
    one.close()
    assert two.path.is_dir()
    two.close()


def test_what_a_dead_host_left_goes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    left = tmp_path / "scratch" / done.stdout.strip().split("/")[-1]
    assert left.is_dir()
    root = ScratchRoot(tmp_path)
    assert not left.exists()
    root.close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "scratch").write_text("a file")
    with pytest.raises(StateError) as caught:
        ScratchRoot(tmp_path)
    assert caught.value.code == "state-unwritable"


def test_what_plugins_leave_goes_however_deep_and_closed(tmp_path):
    folder = tmp_path / "left"
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("stays")
    (folder / "link").symlink_to(outside, target_is_directory=True)
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "fifo")
    for number in range(600):
        (folder / f"f{number}").touch()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    remove(folder)
    assert not folder.exists()
    assert (outside / "file").read_text() == "stays"
    remove(folder)


def test_an_instance_whose_folder_cannot_be_made(tmp_path):
    with pytest.raises(StateError) as caught:
        instance_folder(tmp_path / "gone", "plugin")
    assert caught.value.code == "state-unwritable"
    assert caught.value.place is not None
