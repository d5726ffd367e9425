"""Installing, updating and taking away, broken at every call that changes the disk.

A forked child runs one change with the calls of `os` counted; at the n-th it is killed, or the call fails.
Then the state is the old or the new one, every byte of it, and the next change works.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devkit_core.catalog.discovery import discover
from devkit_core.catalog.folders import builtin_sources
from devkit_core.catalog.install import Installer, Surroundings
from devkit_core.catalog.planning import Plan
from devkit_core.catalog.state import State
from devkit_core.catalog.updating import update
from devkit_core.catalog.upkeep import rollback, uninstall
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError, StateError

CALLS = ("open", "write", "fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "fchmod", "chmod", "link")
FAILED = 3  # a child's exit status where the change ended with a typed error
MANIFEST = """\
[metadata]
id = "{id}"
name = "{id}"
version = "{version}"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
{more}
"""


def yes(plan: Plan) -> None:
    """Agree to anything."""


class Disk:
    """Plugins to install, and a home that each round starts from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.saved = root / "saved"

    def plugin(self, version: str, plugin: str = "one", more: str = "") -> Path:
        folder = self.root / f"{plugin}-{version}"
        (folder / "inner").mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=plugin, version=version, more=more))
        (folder / "plugin.py").write_text(f"VERSION = {version!r}\n" * 50)
        (folder / "inner" / "data.txt").write_text("x" * 1000)
        return folder

    def installer(self) -> Installer:
        places = Places.under(self.home, project=self.root / "project")
        around = Surroundings(
            present=lambda: discover(builtin_sources(PluginSystemConfig(), places)),
            sources=(),
            runtimes={},
            devkit="0.1.0",
        )
        made = Installer(places.data, State(places.data / "devkit.lock", lock_seconds=60), around)
        made.installed._lock_seconds = 60  # several at once wait for each other, on a busy machine too
        return made

    def install(self, *folders: Path) -> None:
        self.installer().install([str(each) for each in folders], yes, here=self.root)

    def save(self) -> None:
        shutil.copytree(self.home, self.saved, symlinks=True)

    def restore(self) -> None:
        shutil.rmtree(self.home)
        shutil.copytree(self.saved, self.home, symlinks=True)

    def state(self) -> dict[str, str]:
        """Which versions a host would load, with every byte checked and every plugin usable."""
        installer = self.installer()
        found = installer.around.present()
        assert [each.error for each in found if each.error] == []
        for name, each in installer.installed.read().items():
            assert installer.store.problems(each.current, name) == []
        return {each.id: each.manifest.version for each in found if each.manifest}

    def is_clean(self) -> bool:
        """Whether nothing is left that the record doesn't name."""
        installer = self.installer()
        used = {v.digest for p in installer.installed.read().values() for v in p.versions}
        staging = self.home / "data" / "staging"
        return set(installer.store.digests()) == used and list(staging.iterdir()) == []


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is tested is the order of calls, not the disk's speed."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="devkit-faults-", dir=memory))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def disk(quick: Path) -> Disk:
    """Version 1.0.0 and 1.1.0 of `one` installed, and `two` that needs it; 2.0.0 of both lies ready."""
    made = Disk(quick)
    made.install(made.plugin("1.0.0"))
    needs = '[[dependencies]]\nid = "one"\nversion = ">=1"\n'
    made.install(made.plugin("1.1.0"), made.plugin("1.0.0", "two", needs))
    made.plugin("2.0.0")
    made.plugin("2.0.0", "two", needs)
    made.save()
    return made


OLD = {"one": "1.1.0", "two": "1.0.0"}
Change = Callable[[Disk], Any]
CHANGES: dict[str, tuple[Change, dict[str, str]]] = {
    "install": (
        lambda disk: disk.install(disk.root / "one-2.0.0", disk.root / "two-2.0.0"),
        {"one": "2.0.0", "two": "2.0.0"},
    ),
    "uninstall": (lambda disk: uninstall(disk.installer(), ["one"], yes, cascade=True), {}),
    "rollback": (lambda disk: rollback(disk.installer(), "one", yes), {"one": "1.0.0", "two": "1.0.0"}),
    "update": (
        lambda disk: update(disk.installer(), ["one"], yes)[0].error,
        {"one": "1.2.0", "two": "1.0.0"},
    ),
}


def prepare(disk: Disk, change: str) -> None:
    disk.restore()
    if change == "update":
        folder = disk.root / "one-1.1.0" / "plugin.toml"
        folder.write_text(folder.read_text().replace("1.1.0", "1.2.0"))


def forked(run: Callable[[], object]) -> int:
    """Run in a child; return its exit status, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            error = run()
            if isinstance(error, DevKitError):
                raise error
            status = 0
        except DevKitError as error:
            status = FAILED if isinstance(error, StateError) and error.place is not None else 4
            if status == 4:
                traceback.print_exc()
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Broken:
    """Counts the calls that change the disk below a folder, and does something at the n-th."""

    def __init__(self, at: int, act: Callable[[], None]) -> None:
        self._left = at
        self._act = act
        self.count = 0

    def install(self) -> None:
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            if name != "open" or args[1] & os.O_CREAT:
                self.count += 1
                if self.count == self._left:
                    self._act()
            return real(*args, **more)

        return call


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def points(disk: Disk, change: str) -> int:
    """How many calls a change makes that write."""
    prepare(disk, change)
    read, write = os.pipe()

    def run() -> None:
        counting = Broken(-1, killed)
        counting.install()
        CHANGES[change][0](disk)
        os.write(write, str(counting.count).encode())

    assert forked(run) == 0
    os.close(write)
    count = int(os.read(read, 20))
    os.close(read)
    return count


def test_there_are_enough_points(disk: Disk) -> None:
    assert sum(points(disk, change) for change in CHANGES) >= 150


@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_at_any_write_leaves_the_old_or_the_new(change: str, disk: Disk) -> None:
    act, new = CHANGES[change]
    seen = set()
    for at in range(1, points(disk, change) + 1):
        prepare(disk, change)

        def run(at: int = at) -> None:
            Broken(at, killed).install()
            act(disk)

        assert forked(run) == -signal.SIGKILL
        after = disk.state()
        assert after in (OLD, new), f"killed at {at}"
        seen.add(after == new)
        extra = disk.root / "three-1.0.0"
        if not extra.exists():
            disk.plugin("1.0.0", "three")
        disk.install(extra)  # nothing is locked, nothing stands in the way
        assert disk.state() == {**after, "three": "1.0.0"}
        assert disk.is_clean()
    assert seen == {False, True}


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.EROFS], ids=errno.errorcode.get
)
def test_a_failure_at_any_write_is_told_and_leaves_the_old_or_the_new(number: int, disk: Disk) -> None:
    act, new = CHANGES["install"]

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    told = 0
    for at in range(1, points(disk, "install") + 1, 1 if number == errno.ENOSPC else 5):
        prepare(disk, "install")

        def run(at: int = at) -> object:
            Broken(at, fail).install()
            return act(disk)

        status = forked(run)
        assert status in (0, FAILED), f"failed at {at}"
        told += status == FAILED
        # after the change counts only tidying up is left, and that may fail
        assert disk.state() in ((OLD, new) if status == FAILED else (new,))
        act(disk)
        assert disk.state() == new
        assert disk.is_clean()
    assert told > 5


def test_every_write_fails_from_some_point_on(disk: Disk) -> None:
    act, new = CHANGES["install"]
    for start in range(1, 40, 2):
        prepare(disk, "install")

        class Full(Broken):
            def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
                def call(*args: Any, **more: Any) -> Any:
                    self.count += name in ("write", "mkdir", "open") and (
                        name != "open" or args[1] & os.O_CREAT > 0
                    )
                    if self.count >= self._left and name in ("write", "mkdir"):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    return real(*args, **more)

                return call

        def run(start: int = start) -> object:
            Full(start, killed).install()
            return act(disk)

        assert forked(run) in (0, FAILED)
        assert disk.state() in (OLD, new)


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        disk = Disk(tmp_path)
        disk.home = small / "home"
        disk.install(disk.plugin("1.0.0"))
        big = disk.plugin("2.0.0")
        (big / "big.bin").write_bytes(os.urandom(1 << 20))
        with pytest.raises(StateError) as caught:
            disk.install(big)
        assert caught.value.code == "store-unwritable"
        assert "room" in (caught.value.hint or "")
        assert disk.state() == {"one": "1.0.0"}
        (big / "big.bin").unlink()
        disk.install(big)
        assert disk.state() == {"one": "2.0.0"}
    finally:
        subprocess.run(["umount", "-l", small], check=False)


def test_a_read_only_disk(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a read-only disk")
    disk = Disk(tmp_path)
    disk.install(disk.plugin("1.0.0"))
    bound = subprocess.run(["mount", "--bind", disk.home, disk.home], capture_output=True, check=False)
    if bound.returncode:
        pytest.skip("may not mount here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", disk.home], check=True, capture_output=True)
        for act in (
            lambda: disk.install(disk.plugin("2.0.0")),
            lambda: uninstall(disk.installer(), ["one"], yes),
        ):
            with pytest.raises(StateError) as caught:
                act()
            assert caught.value.place is not None
            assert "DEVKIT_HOME" in (caught.value.hint or "")
        assert disk.state() == {"one": "1.0.0"}
    finally:
        subprocess.run(["umount", "-l", disk.home], check=False)


def test_kills_at_any_time(disk: Disk) -> None:
    """Real kills from outside, at random times of a change that takes some milliseconds."""
    rng = random.Random(20)
    new = {"one": "2.0.0", "two": "2.0.0"}
    for _ in range(25):
        disk.restore()
        pid = os.fork()
        if pid == 0:
            CHANGES["install"][0](disk)
            os._exit(0)
        time.sleep(rng.random() * 0.05)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert disk.state() in (OLD, new)
    CHANGES["install"][0](disk)
    assert disk.state() == new
    assert disk.is_clean()


def test_two_at_once_wait_for_each_other(disk: Disk) -> None:
    folders = [disk.plugin("1.0.0", f"p{number}") for number in range(6)]
    children = []
    for folder in folders:
        pid = os.fork()
        if pid == 0:
            os._exit(forked(lambda folder=folder: disk.install(folder)))
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 6
    assert disk.state() == {**OLD, **{f"p{number}": "1.0.0" for number in range(6)}}
    assert disk.is_clean()


@contextmanager
def held(disk: Disk) -> Iterator[None]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with disk.installer().installed.changing():
            os.write(write, b"x")
            time.sleep(60)
    os.read(read, 1)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_whoever_waits_is_told_so_and_a_dead_holder_holds_nothing(disk: Disk) -> None:
    installer = disk.installer()
    installer.installed._lock_seconds = 0.1
    told = []
    waiting = installer.installed.changing(lambda: told.append("waiting"))
    with held(disk), pytest.raises(StateError) as caught, waiting:
        pass
    assert caught.value.code == "state-locked"
    assert told == ["waiting"]
    with installer.installed.changing():
        pass
