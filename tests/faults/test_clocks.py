"""Deadlines are the monotonic clock's: a wall clock that jumps, or a host that slept, fails no call early."""

import asyncio
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from devkit_core.errors import CallTimeout

PLUGIN = """
import time
def execute(text: str) -> str:
    time.sleep(float(text))
    return text
"""
DECADE = 10 * 365 * 86_400


@pytest.mark.parametrize(
    "jump", [DECADE, -DECADE, -time.time()], ids=["a decade on", "a decade back", "to 1970"]
)
async def test_the_wall_clock_jumps(project, monkeypatch, jump):
    handle = await project.load(PLUGIN)
    real, real_ns = time.time, time.time_ns
    call = asyncio.ensure_future(handle.execute("0.3", timeout=30))
    await asyncio.sleep(0.05)
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(jump) * 10**9)
    assert await call == "0.3"
    with pytest.raises(CallTimeout):  # and one that is due is not late
        await asyncio.wait_for(handle.execute("30", timeout=0.2), 20)
    assert await handle.execute("0", timeout=30) == "0"
    await project.manager.reload("subject")
    assert await handle.execute("0", timeout=30) == "0"
    assert project.manager.stats("subject").uptime_seconds >= 0


HOST = """
import asyncio, sys
from pathlib import Path
from devkit_core import PluginManager, PluginSystemConfig
from devkit_core.config.places import Places
from devkit_core.errors import CallTimeout

async def main():
    root = Path(sys.argv[1])
    async with PluginManager(places=Places.under(root / "home", project=root)) as manager:
        handle = await manager.load("subject")
        print("ready", flush=True)
        assert await handle.execute(sys.argv[2], timeout=1.5) == sys.argv[2]
        try:
            await asyncio.wait_for(handle.execute("30", timeout=0.2), 20)
        except CallTimeout:
            print("in time", flush=True)

asyncio.run(main())
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


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "plugins" / "subject"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(textwrap.dedent(MANIFEST))
    (folder / "plugin.py").write_text(PLUGIN)
    return tmp_path


def test_a_host_that_was_stopped_takes_an_answer_that_came_meanwhile(root):
    """As on a laptop that slept: the answer is there, and the deadline has passed, when it wakes."""
    run = [sys.executable, "-c", HOST, root, "0.7"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as host:
        try:
            assert host.stdout.readline() == "ready\n"
            time.sleep(0.1)  # the call is on its way, or will be as soon as it goes on
            host.send_signal(signal.SIGSTOP)
            time.sleep(2)
            host.send_signal(signal.SIGCONT)
            assert host.stdout.read() == "in time\n"
            assert host.wait(20) == 0
        finally:
            host.kill()


@pytest.mark.parametrize("offset", [DECADE, 2**31])
def test_a_monotonic_clock_that_is_far_on(root, offset):
    unshare = [
        shutil.which("unshare") or "",
        "--time",
        "--fork",
        f"--monotonic={offset}",
        f"--boottime={offset}",
    ]
    if not unshare[0] or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs unshare --time, as root")
    run = [*unshare, sys.executable, "-c", HOST, root, "0.1"]
    host = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert host.stdout == "ready\nin time\n", host.stderr
