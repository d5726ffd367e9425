"""Reloads while calls go on lose none of them, whatever the new and the old instance do."""

import asyncio
import os
import signal

import pytest

from devkit_core.errors import LoadError, WorkerCrashed

SAYS = """
import os, time
def execute(text: str) -> str:
    if text == "exit":
        os._exit(3)
    if text.startswith("sleep"):
        time.sleep(float(text[5:]))
    return "{version}:" + text
"""


async def call_on(handle, stop: asyncio.Event, callers: int) -> list[asyncio.Task[int]]:
    async def caller(number: int) -> int:
        done = 0
        while not stop.is_set():
            text = f"{number}-{done}"
            answer = await handle.execute(text, timeout=60)
            assert answer.endswith(f":{text}")
            done += 1
        return done

    return [asyncio.ensure_future(caller(number)) for number in range(callers)]


async def test_reloads_under_load_lose_no_call(project):
    handle = await project.load(SAYS.format(version=0))
    stop = asyncio.Event()
    callers = await call_on(handle, stop, 64)
    for version in range(1, 21):
        project.write(SAYS.format(version=version))
        await project.manager.reload("subject")
        assert (await handle.execute("now", timeout=60)).startswith(f"{version}:")
    stop.set()
    done = await asyncio.gather(*callers)
    numbers = project.manager.stats("subject")
    assert numbers.calls == sum(done) + 20
    assert numbers.errors == {}
    assert numbers.reloads == 20


async def test_reloads_at_once(project):
    handle = await project.load(SAYS.format(version=0))
    stop = asyncio.Event()
    callers = await call_on(handle, stop, 8)
    await asyncio.gather(*(project.manager.reload("subject") for _ in range(10)))
    stop.set()
    await asyncio.gather(*callers)
    assert project.manager.stats("subject").reloads == 10


async def test_a_long_call_is_finished_by_the_old_instance(project):
    handle = await project.load(SAYS.format(version="old"))
    long = asyncio.ensure_future(handle.execute("sleep0.5"))
    await asyncio.sleep(0.05)
    project.write(SAYS.format(version="new"))
    await project.manager.reload("subject")
    assert not long.done()
    assert await handle.execute("meanwhile") == "new:meanwhile"
    assert await long == "old:sleep0.5"


async def test_failing_reloads_under_load_lose_no_call(project):
    handle = await project.load(SAYS.format(version="old"))
    stop = asyncio.Event()
    callers = await call_on(handle, stop, 16)
    for broken in (
        "x = (\n",
        "import os\nos._exit(1)\n",
        "def initialize():\n    1 / 0\ndef execute(t): return t\n",
    ):
        project.write(broken)
        with pytest.raises(LoadError):
            await project.manager.reload("subject")
    stop.set()
    assert sum(await asyncio.gather(*callers)) > 0
    assert (await handle.execute("on")).startswith("old:")


async def test_the_old_instance_dies_while_the_new_one_starts(project):
    handle = await project.load(SAYS.format(version="old"))
    project.write("import time\ntime.sleep(0.3)\n" + SAYS.format(version="new"))
    reloading = asyncio.ensure_future(project.manager.reload("subject"))
    await asyncio.sleep(0.1)
    os.kill(handle.pid, signal.SIGKILL)
    calls = [asyncio.ensure_future(handle.execute(str(n), timeout=30)) for n in range(20)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    await reloading
    # one that was sent into the death may fail; all others are answered by the new one
    assert sum(isinstance(each, WorkerCrashed) for each in results) <= 1
    assert {each for each in results if isinstance(each, str)} <= {f"new:{n}" for n in range(20)}
    assert await handle.execute("on") == "new:on"


async def test_the_old_instance_dies_while_it_drains(project):
    handle = await project.load(SAYS.format(version="old"))
    old = handle.pid
    calls = [asyncio.ensure_future(handle.execute(text)) for text in ("sleep5", "a", "b", "c")]
    await asyncio.sleep(0.05)
    project.write(SAYS.format(version="new"))
    await project.manager.reload("subject")
    os.kill(old, signal.SIGKILL)
    first, *rest = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, WorkerCrashed)
    assert rest == ["new:a", "new:b", "new:c"]


async def test_the_new_instance_dies_at_once(project):
    handle = await project.load(SAYS.format(version="old"))
    project.write("""
        import os, threading, time
        def initialize():
            threading.Thread(target=lambda: (time.sleep(0.05), os._exit(1)), daemon=True).start()
        def execute(text: str) -> str:
            return "new:" + text
    """)
    await project.manager.reload("subject")
    await asyncio.sleep(0.3)
    assert await handle.execute("on", timeout=20) == "new:on"


async def test_unloading_while_an_old_instance_drains(project):
    handle = await project.load(SAYS.format(version="old"))
    long = asyncio.ensure_future(handle.execute("sleep30"))
    await asyncio.sleep(0.05)
    await project.manager.reload("subject")
    await project.manager.unload("subject")
    with pytest.raises(WorkerCrashed):
        await long
    assert project.manager.stats("subject").status == "stopped"


async def test_unloading_during_a_reload(project):
    await project.load(SAYS.format(version="old"))
    project.write("import time\ntime.sleep(0.3)\n" + SAYS.format(version="new"))
    reloading = asyncio.ensure_future(project.manager.reload("subject"))
    await asyncio.sleep(0.1)
    await project.manager.unload("subject")
    await asyncio.gather(reloading, return_exceptions=True)
    assert project.manager.list_plugins() == []
    assert project.manager.stats("subject").pid is None


async def test_a_reload_that_is_cancelled_leaves_the_old(project):
    handle = await project.load(SAYS.format(version="old"))
    project.write("import time\ntime.sleep(5)\n" + SAYS.format(version="new"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(project.manager.reload("subject"), 0.2)
    assert await handle.execute("on") == "old:on"


async def test_old_instances_are_bounded(project):
    """A plugin whose calls never end can't make a host collect workers by reloading."""
    handle = await project.load(SAYS.format(version="old"))
    calls = []
    for _ in range(4):
        calls.append(asyncio.ensure_future(handle.execute("sleep1")))
        await asyncio.sleep(0.02)
        await project.manager.reload("subject")
    fifth = asyncio.ensure_future(project.manager.reload("subject"))
    await asyncio.sleep(0.1)
    assert not fifth.done()
    assert await asyncio.gather(*calls) == ["old:sleep1"] * 4
    await fifth
