"""Many hosts on one store at once: each change is done whole, or refused by a typed error."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit_core.catalog.state import State
from devkit_core.catalog.updating import update
from devkit_core.catalog.upkeep import rollback, uninstall
from devkit_core.errors import DevKitError

_spec = importlib.util.spec_from_file_location(
    "install_faults_of_races", Path(__file__).with_name("test_install_faults.py")
)
_faults = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _faults  # its annotations are read
_spec.loader.exec_module(_faults)
Disk, yes, forked = _faults.Disk, _faults.yes, _faults.forked
quick = _faults.quick

HOSTS = 4
CHANGES = 12


@pytest.fixture
def disk(quick: Path) -> Iterator[Disk]:
    made = Disk(quick)
    for plugin in ("one", "two"):
        for version in ("1.0.0", "1.1.0", "2.0.0"):
            made.plugin(version, plugin)
    made.install(made.root / "one-1.0.0")
    return made


def change(disk: Disk, chance: random.Random) -> str:
    """Do one thing at random, and say how it ended."""
    plugin = chance.choice(["one", "two"])
    what = chance.choice(["install", "install", "uninstall", "update", "rollback"])
    try:
        if what == "install":
            disk.install(disk.root / f"{plugin}-{chance.choice(['1.0.0', '1.1.0', '2.0.0'])}")
        elif what == "uninstall":
            uninstall(disk.installer(), [plugin], yes)
        elif what == "update":
            update(disk.installer(), [plugin], yes)
        else:
            rollback(disk.installer(), plugin, yes)
    except DevKitError as error:
        return error.code
    return "done"


def in_children(count: int, run) -> list[object]:
    """Run in so many processes at once; return what each says."""
    ends = []
    for number in range(count):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.write(write, json.dumps(run(number)).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(write)
        ends.append((pid, read))
    said = []
    for pid, read in ends:
        with open(read) as pipe:
            said.append(pipe.read())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return [json.loads(each) for each in said]


def test_changes_of_many_hosts(disk: Disk) -> None:
    def host(number: int) -> list[str]:
        chance = random.Random(number)
        return [change(disk, chance) for _ in range(CHANGES)]

    codes = {code for codes in in_children(HOSTS, host) for code in codes}
    assert "done" in codes
    # what is refused is what one host alone would be told: it is there already, or isn't any more
    assert codes <= {"done", "plugin-not-installed", "rollback-none", "plugin-not-found"}
    disk.state()  # every byte is right
    disk.install(disk.root / "one-2.0.0", disk.root / "two-2.0.0")
    assert disk.state() == {"one": "2.0.0", "two": "2.0.0"}
    assert disk.is_clean()


def test_grants_of_many_hosts_are_all_kept(tmp_path: Path) -> None:
    file, folder = tmp_path / "devkit.lock", tmp_path / "plugin"
    folder.mkdir()

    def host(number: int) -> None:
        for port in range(10):
            permission = f"filesystem:read=/srv/{number}/{port}"
            State(file).grant("subject", folder, [permission], version="1.0.0", publisher="")
            if port % 3 == 0:
                State(file).set_enabled(f"other-{number}", folder, enabled=False)

    in_children(HOSTS, host)
    granted = State(file).granted("subject", folder, publisher="")
    assert len(granted) == HOSTS * 10
    assert not any(State(file).is_enabled(f"other-{number}", folder) for number in range(HOSTS))


INSTALL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_install_races as races
disk = races.Disk(Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
disk.install(disk.root / "one-2.0.0")
"""
WRITES = "openat,write,rename,mkdir,unlinkat,fsync"


def traced(disk: Disk, *options: str) -> int | None:
    """Install with strace at it from the moment that all is imported; None where it may not attach."""
    script = [sys.executable, "-B", "-c", INSTALL, str(Path(__file__).parent), str(disk.root)]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout.readline() == "ready\n"
        command = ["strace", "-f", "-o", disk.root / "trace", "-p", str(host.pid), *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            attached = "attached" in tracer.stderr.readline()
            host.communicate("go\n" if attached else None)
            tracer.communicate()
    return host.returncode if attached else None


def test_killed_at_real_system_calls(disk: Disk) -> None:
    """As a power cut would find it: not at our calls of `os`, but wherever the process writes."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    disk.save()
    if traced(disk, "-e", f"trace={WRITES}") is None:
        pytest.skip("strace may not attach here")
    lines = (disk.root / "trace").read_text().splitlines()
    assert len(lines) > 20
    assert disk.state() == {"one": "2.0.0"}
    every = os.environ.get("DEVKIT_FAULTS") == "all"
    for call in WRITES.split(","):
        count = sum(f" {call}(" in line for line in lines)
        points = range(1, count + 1) if every else sorted({(count + 1) // 2, count} - {0})
        for at in points:
            disk.restore()
            killed = traced(disk, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={at}")
            assert killed == -signal.SIGKILL
            assert disk.state() in ({"one": "1.0.0"}, {"one": "2.0.0"}), f"killed at {call} {at}"
            disk.install(disk.root / "two-1.0.0")  # nothing is locked, nothing stands in the way
            assert disk.is_clean()
