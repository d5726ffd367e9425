"""A host whose disk is full goes on with what it runs, and says what it can't write."""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import PluginRaised, StateError
from devkit_core.manager import PluginManager

MANIFEST = """
permissions = ["filesystem:read"]
[metadata]
id = "subject"
name = "subject"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
PLUGIN = """
import os
def execute(text):
    if text == "talk":
        for n in range(3000):
            print(n, "x" * 80)
    if text == "write":
        with open(os.environ["TMPDIR"] + "/file", "wb") as file:
            file.write(bytes(100_000))
    return text
"""


class SmallDisk:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._filler = root / "filler"

    def fill(self) -> None:
        """Leave not a byte."""
        with open(self._filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def make_room(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    root = tmp_path / "small"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", root]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a tmpfs here")
    yield SmallDisk(root)
    subprocess.run(["umount", "-l", root], check=True)


@pytest.fixture
async def manager(disk: SmallDisk, tmp_path: Path) -> AsyncIterator[PluginManager]:
    folder = tmp_path / "plugins" / "subject"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text(PLUGIN)
    places = Places.under(disk.root / "home", project=tmp_path)
    async with PluginManager(PluginSystemConfig(initialize_timeout=20), places=places) as made:
        made.discover()
        yield made


async def test_what_runs_goes_on(disk: SmallDisk, manager: PluginManager) -> None:
    handle = await manager.load("subject")
    disk.fill()
    assert (
        await handle.execute("talk", timeout=60) == "talk"
    )  # its log goes to no file, and is kept in memory
    assert any("2999 x" in line.text for line in manager.logs.lines("subject"))
    with pytest.raises(PluginRaised, match="No space left"):
        await handle.execute("write", timeout=60)
    await manager.reload("subject")
    assert await handle.execute("on", timeout=60) == "on"
    disk.make_room()
    assert await handle.execute("write", timeout=60) == "write"


async def test_a_grant_that_can_not_be_kept_is_told_and_changes_nothing(
    disk: SmallDisk, manager: PluginManager
) -> None:
    folder = manager.registry.find("subject").folder
    manager.state.grant("subject", folder, ["filesystem:read"], version="1.0.0", publisher="")
    before = manager.state.granted("subject", folder)
    disk.fill()
    with pytest.raises(StateError) as caught:
        manager.state.grant("subject", folder, ["network:https"], version="1.0.0", publisher="")
    assert caught.value.code == "state-unwritable"
    with pytest.raises(StateError):
        manager.state.set_enabled("subject", folder, False)
    assert manager.state.granted("subject", folder) == before
    assert manager.state.is_enabled("subject", folder)
    disk.make_room()
    manager.state.grant("subject", folder, ["network:https"], version="1.0.0", publisher="")
    assert len(manager.state.granted("subject", folder)) == 2


async def test_a_host_starts_where_there_is_no_room(disk: SmallDisk, manager: PluginManager) -> None:
    """What it can't make, as its socket, it does without; where it needs it, it says so."""
    disk.fill()
    with contextlib.suppress(StateError):  # its scratch folder, where that takes room
        await manager.load("subject")
    disk.make_room()
    handle = await manager.load("subject")
    assert await handle.execute("on", timeout=60) == "on"
