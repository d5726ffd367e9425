"""A host that is killed leaves no process and no scratch folder behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOST = """
import asyncio, sys
from devkit_core.config.places import Places
from devkit_core import PluginManager
from pathlib import Path

async def main():
    root = Path(sys.argv[1])
    manager = PluginManager(places=Places.under(root / "home", project=root))
    async with manager:
        handle = await manager.load("subject")
        task = asyncio.ensure_future(handle.execute("hang"))
        await asyncio.sleep(0.1)
        print(handle.pid, flush=True)
        await task

asyncio.run(main())
"""

PLUGIN = """
def execute(text: str) -> str:
    while text == "hang":
        pass
    return text
"""

MANIFEST = """
[metadata]
id = "subject"
name = "subject"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):  # it may end meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def write(root: Path) -> None:
    folder = root / "plugins" / "subject"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text(PLUGIN)


def start(root: Path) -> tuple[subprocess.Popen, list[int]]:
    write(root)
    host = subprocess.Popen([sys.executable, "-c", HOST, str(root)], stdout=subprocess.PIPE, text=True)
    worker = int(host.stdout.readline())
    family = descendants(host.pid)
    assert worker in family
    return host, family


def gone(pids: list[int], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while any(alive(p) for p in pids) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(alive(p) for p in pids)


def test_kill_minus_nine_of_the_host(tmp_path):
    host, family = start(tmp_path)
    host.kill()
    host.wait()
    host.stdout.close()
    assert gone(family)
    left = list((tmp_path / "home" / "runtime" / "scratch").glob("host-*"))
    assert len(left) == 1
    # the next host removes what the dead one could not
    host, family = start(tmp_path)
    assert [p for p in left if p.exists()] == []
    host.kill()
    host.wait()
    host.stdout.close()
    assert gone(family)


def test_ctrl_c_leaves_nothing(tmp_path):
    host, family = start(tmp_path)
    host.send_signal(signal.SIGINT)
    host.wait(20)
    host.stdout.close()
    assert gone(family)
    assert list((tmp_path / "home" / "runtime" / "scratch").glob("host-*")) == []


def test_the_zygote_is_killed(tmp_path):
    host, family = start(tmp_path)
    zygote = next(
        p for p in family if Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")[3].endswith(b"zygote.py")
    )
    os.kill(zygote, signal.SIGKILL)
    assert host.wait(20) != 0  # the call fails with worker-crashed
    host.stdout.close()
    assert gone(family)


SPAWNING = """
import contextlib
import os
def execute(text: str) -> str:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 64)
            os.execv("/bin/sleep", ["/bin/sleep", "600"])
        os._exit(0)
    while True:
        pass
"""


def test_what_a_plugin_may_start_goes_with_the_host(tmp_path):
    """A plugin that may start programs has made one that left its session and its parent."""
    folder = tmp_path / "plugins" / "subject"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text('permissions = ["process:spawn"]\n' + MANIFEST)
    (folder / "plugin.py").write_text(SPAWNING)
    code = HOST.replace(
        "PluginManager(",
        "PluginManager(PluginSystemConfig(default_permissions=('process:spawn',)), ",
    ).replace("import PluginManager\n", "import PluginManager, PluginSystemConfig\n")
    host = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert host.stdout.readline()
    until = time.monotonic() + 10
    while not (family := sleeping(host.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    assert family
    host.kill()
    host.wait()
    host.stdout.close()
    assert gone(family)


def sleeping(host: int) -> list[int]:
    found = []
    for pid in descendants(host):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/sleep"):
                found.append(pid)
    return found


LIVES = """
import asyncio, sys
from pathlib import Path
from devkit_core import PluginManager
from devkit_core.config.places import Places

def at(step):
    print(step, flush=True)

async def main():
    root = Path(sys.argv[1])
    at("made")
    async with PluginManager(places=Places.under(root / "home", project=root)) as manager:
        manager.discover()
        at("loading")
        handle = await manager.load("subject")
        at("calling")
        hanging = asyncio.ensure_future(handle.execute("hang"))
        await asyncio.sleep(0.01)
        at("reloading")
        await manager.reload("subject")
        at("draining")
        await handle.execute("on")
        hanging.cancel()
        at("unloading")
        await manager.unload("subject")
        at("closing")
    at("closed")

asyncio.run(main())
"""
STEPS = ("made", "loading", "calling", "reloading", "draining", "unloading", "closing", "closed")


def test_kill_minus_nine_at_every_step_of_a_life(tmp_path):
    """As soon as it begins, or a little later: what the host had made goes with it, or with the next one."""
    write(tmp_path)
    families = []
    for number, step in enumerate(STEPS):
        run = [sys.executable, "-c", LIVES, str(tmp_path)]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as host:
            while host.stdout.readline() != f"{step}\n":
                assert host.poll() is None, step
            time.sleep(0.02 * (number % 2))
            families += descendants(host.pid)
            host.kill()
    assert gone(families)
    last = subprocess.run(
        [sys.executable, "-c", LIVES, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert last.stdout.split() == list(STEPS), last.stderr
    assert list((tmp_path / "home" / "runtime" / "scratch").glob("host-*")) == []
