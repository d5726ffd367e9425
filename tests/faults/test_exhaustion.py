"""A host that has run out of something fails with typed errors, leaks nothing, and works again after.

Each test runs a host of its own, and takes the resource away from it step by step.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIFE = """
import asyncio, gc, json, os, resource, sys, time
from pathlib import Path
from devkit_core import PluginManager, PluginSystemConfig
from devkit_core.config.places import Places
from devkit_core.errors import DevKitError

root = Path(sys.argv[1])
places = Places.under(root / "home", project=root)
config = PluginSystemConfig(initialize_timeout=20, shutdown_timeout=5, hot_reload=False)
outcomes = []

async def life():
    async with PluginManager(config, places=places) as manager:
        manager.discover()
        handle = await manager.load("subject")
        assert await handle.execute("one", timeout=20) == "one"
        await manager.reload("subject")
        assert "".join([item async for item in handle.stream("two", timeout=20)]) == "two"
        await manager.configure("subject", {"number": 5})
        await manager.check_health("subject")
        await manager.unload("subject")

async def attempt():
    try:
        await asyncio.wait_for(life(), 60)
        return "done"
    except DevKitError as error:
        return error.code
    except BaseException as error:
        return f"untyped: {error!r}"

def children():
    return [c for t in Path("/proc/self/task").iterdir() for c in (t / "children").read_text().split()]

async def settled(before):
    until = time.monotonic() + 10
    while (now := (len(os.listdir("/proc/self/fd")), children())) != before and time.monotonic() < until:
        gc.collect()
        await asyncio.sleep(0.02)
    return now == before or now

def scratch():
    return [p.name for p in (places.runtime / "scratch").glob("host-*")]
"""
PLUGIN = """
def configure(config):
    pass
def execute(text):
    return (c for c in text) if text == "two" else text
"""
MANIFEST = """
[metadata]
id = "subject"
name = "subject"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
[config.number]
type = "integer"
default = 1
"""


def run(root: Path, script: str, **more) -> dict:
    folder = root / "plugins" / "subject"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text(PLUGIN)
    done = subprocess.run(
        [sys.executable, "-c", LIFE + script, str(root)],
        capture_output=True, text=True, timeout=100, check=False, **more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


DESCRIPTORS = """
async def main():
    assert (first := await attempt()) == "done", first
    before = (len(os.listdir("/proc/self/fd")), children())
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    done = more = 0
    seen = []
    while done < 2 and more < 80:
        taken = set(map(int, os.listdir("/proc/self/fd")))
        free = [number for number in range(old[0]) if number not in taken]
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[more], old[1]))
        outcome = await attempt()
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
        done += outcome == "done"
        seen.append([more, outcome, await settled(before), scratch()])
        more += 1
    print(json.dumps({"seen": seen, "after": await attempt()}))

asyncio.run(main())
"""


def test_one_descriptor_more_each_time(tmp_path):
    """Each place that opens one is met: with none to be had, with one, with two, …"""
    told = run(tmp_path, DESCRIPTORS)
    outcomes = [outcome for _, outcome, _, _ in told["seen"]]
    assert [each for each in told["seen"] if each[1].startswith("untyped")] == []
    assert [each for each in told["seen"] if each[2] is not True] == [], "left behind"
    assert told["seen"][-1][3] == []  # the next host removes the scratch that one could not
    assert len(outcomes) > 8
    assert outcomes[-2:] == ["done", "done"]
    assert told["after"] == "done"


REFUSED = """
import signal, subprocess

def refusing(pid):
    \"\"\"Let a process make no other, from now on.\"\"\"
    calls = "fork,vfork,clone,clone3"
    tracer = subprocess.Popen(
        ["strace", "-p", str(pid), "-e", f"trace={calls}", "-e", f"inject={calls}:error=EAGAIN"],
        stderr=subprocess.PIPE, text=True,
    )
    if "attached" not in tracer.stderr.readline():
        print(json.dumps("strace may not attach here"))
        sys.exit(0)
    return tracer

def stop(tracer):
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()

async def main():
    assert (first := await attempt()) == "done", first
    before = (len(os.listdir("/proc/self/fd")), children())
    tracer = refusing(os.getpid())
    no_zygote = await attempt()
    stop(tracer)
    left = await settled(before)
    async with PluginManager(config, places=places) as manager:
        manager.discover()
        handle = await manager.load("subject")
        (zygote,) = map(int, children())
        tracer = refusing(zygote)
        try:
            await manager.reload("subject")
            no_worker = "done"
        except DevKitError as error:
            no_worker = error.code
        still = await handle.execute("still")
        stop(tracer)
        await manager.reload("subject")
        again = await handle.execute("again")
    print(json.dumps([no_zygote, no_worker, still, again, left, await attempt()]))

asyncio.run(main())
"""


def test_no_further_process(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    told = run(tmp_path, REFUSED)
    if isinstance(told, str):
        pytest.skip(told)
    assert told == ["worker-start", "worker-start", "still", "again", True, "done"]
