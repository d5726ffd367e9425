"""Workers that are killed while they are started again, and zygotes that go or stand still meanwhile."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from devkit_core.errors import DevKitError

SLOW = "import time\ntime.sleep(0.3)\ndef execute(text: str) -> str:\n    return text\n"
SECONDS = 40


def below(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        found |= {int(child) for child in (task / "children").read_text().split()}
    return found


def zygotes() -> set[int]:
    return {p for p in below(os.getpid()) if b"zygote.py" in Path(f"/proc/{p}/cmdline").read_bytes()}


async def another_worker(than: int) -> int:
    """The worker that is being started in another's place."""
    async with asyncio.timeout(SECONDS):
        while True:
            for zygote in zygotes():
                if fresh := below(zygote) - {than}:
                    return fresh.pop()
            await asyncio.sleep(0.005)


async def test_a_start_that_is_killed_fails_no_call_that_waits(project):
    handle = await project.load(SLOW)
    before = handle.pid
    os.kill(before, signal.SIGKILL)
    while handle.pid == before:
        await asyncio.sleep(0.005)
    calls = [asyncio.ensure_future(handle.execute(f"waiting {n}", timeout=SECONDS)) for n in range(5)]
    os.kill(await another_worker(before), signal.SIGKILL)
    assert await asyncio.gather(*calls) == [f"waiting {n}" for n in range(5)]


async def test_the_zygote_is_killed_while_it_starts_one(project):
    handle = await project.load(SLOW)
    before = handle.pid
    os.kill(before, signal.SIGKILL)
    while handle.pid == before:
        await asyncio.sleep(0.005)
    call = asyncio.ensure_future(handle.execute("waiting", timeout=SECONDS))
    await another_worker(before)
    for zygote in zygotes():
        os.kill(zygote, signal.SIGKILL)
    assert await call == "waiting"


async def test_a_zygote_that_stands_still_for_a_while(project):
    """What it is asked meanwhile it does afterwards."""
    handle = await project.load("def execute(text: str) -> str:\n    return text\n")
    (zygote,) = zygotes()
    os.kill(zygote, signal.SIGSTOP)
    try:
        assert await handle.execute("no zygote is needed", timeout=SECONDS) == "no zygote is needed"
        os.kill(handle.pid, signal.SIGKILL)
        call = asyncio.ensure_future(handle.execute("waiting", timeout=SECONDS))
        await asyncio.sleep(0.3)
        assert not call.done()
    finally:
        os.kill(zygote, signal.SIGCONT)
    assert await call == "waiting"
    assert await handle.execute("on", timeout=SECONDS) == "on"


@pytest.mark.parametrize(
    "signals", [[signal.SIGKILL], [signal.SIGSTOP, signal.SIGKILL]], ids=["killed", "stopped"]
)
async def test_all_at_once(project, signals):
    """Workers and their zygote, of three plugins, with calls on each."""
    handles = [await project.load(SLOW, f"plugin-{n}") for n in range(3)]
    calls = [asyncio.ensure_future(h.execute(f"{n}", timeout=SECONDS)) for h in handles for n in range(4)]
    await asyncio.sleep(0)
    for each in signals:
        for pid in [*zygotes(), *(h.pid for h in handles)]:
            os.kill(pid, each)
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, (str, DevKitError)) for each in ended)
    assert sum(isinstance(each, DevKitError) for each in ended) <= 3  # those that were begun
    assert [await h.execute("on", timeout=SECONDS) for h in handles] == ["on"] * 3
