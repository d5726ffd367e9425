"""A worker that dies, hangs or talks nonsense at any step of the protocol costs its own call, and no more.

Every step is played with every fault, many at once, a plugin each. What is looked at is the same everywhere:
a call ends once, with its answer or a typed error; calls that were not begun are answered by the next worker;
the plugin works afterwards; nothing is left of the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from devkit_core.api import LoadRequest, WorkerLoader, WorkerSpec, hookimpl
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout, DevKitError, LoadError, ProtocolViolation
from devkit_core.hooks.extensions import Extensions
from devkit_core.manager import PluginManager
from devkit_core.model.types import PluginHealth
from devkit_core.running.handle import PluginHandle
from devkit_core.sandbox.runtimes import python_runtime

MANIFEST = """
permissions = []
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "role.actor"
[config.number]
type = "integer"
default = 1
"""
ACTS = ("kill", "stop", "leave", "close", "silence", "noise", "lie", "repeat")
AT_ONCE = 48
HANGING = ("stop", "silence", "repeat")  # a frame that is repeated may go unseen, and nothing follows
START = ("before hello", "mid hello", "after hello", "welcome", "initialize", "mid initialized")
CALL = (
    "call", "mid begun", "begun", "mid answer", "answered", "part 1", "mid part", "part 2",
    "item 1", "item 2", "no credit", "credit", "first part", "next part",
)  # fmt: skip
END = ("shutdown", "mid goodbye", "after goodbye")
HUNG = 40  # seconds within which everything has ended by far; what takes longer hangs
CALL_ERRORS = {"worker-crashed", "protocol-violation", "call-timeout"}
START_ERRORS = {
    "load-failed",
    "initialize-failed",
    "initialize-timeout",
    "protocol-violation",
    "worker-crashed",
}


class ActorLoader(WorkerLoader):
    name = "actor"
    extensions = frozenset({".actor"})
    program = Path(__file__).with_name("actor.py")

    def spec(self, request: LoadRequest) -> WorkerSpec:
        return WorkerSpec(python_runtime())


class Stage:
    """Plugins whose worker is an actor."""

    def __init__(self, root: Path) -> None:
        self.root = root
        extension = types.ModuleType("actors")
        extension.devkit_register_loaders = hookimpl(lambda: [ActorLoader()])
        self.manager = PluginManager(
            PluginSystemConfig(
                max_plugins=500,
                initialize_timeout=3,
                shutdown_timeout=0.4,
                execution_timeout=1,
                max_payload_mb=8,
            ),
            places=Places.under(root / "home", project=root),
            extensions=Extensions.with_plugins([extension]),
            control=False,
        )

    def cast(self, plugin: str, step: str, act: str) -> None:
        """Give a plugin its role."""
        folder = self.root / "plugins" / plugin
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=plugin))
        (folder / "role.actor").write_text(json.dumps({"step": step, "act": act}))

    async def load(self, plugin: str) -> PluginHandle:
        return await self.manager.load(plugin)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    before = len(os.listdir("/proc/self/fd"))
    made = Stage(tmp_path)
    async with made.manager:
        made.cast("first", "", "")
        await made.load("first")  # the zygote is there, and is counted before
        yield made
    assert descendants(os.getpid()) == []
    assert list((made.manager.places.runtime / "scratch").glob("host-*")) == []
    assert len(os.listdir("/proc/self/fd")) <= before


def descendants(pid: int) -> list[int]:
    """The processes below one, those of its threads too."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


async def while_it_starts(stage: Stage, plugin: str, step: str, act: str) -> None:
    with pytest.raises(LoadError) as caught:
        await stage.load(plugin)
    assert caught.value.code in START_ERRORS
    stage.cast(plugin, "", "")
    handle = await stage.load(plugin)
    assert await handle.execute("mended") == "mended"


async def right_after_it_started(stage: Stage, plugin: str, step: str, act: str) -> None:
    """It is found out before the load returns, or by the first calls."""
    with contextlib.suppress(LoadError):
        await stage.load(plugin)
    stage.cast(plugin, "", "")
    handle = await stage.load(plugin)
    while True:
        try:
            assert await handle.execute("on", timeout=1) == "on"
            break
        except DevKitError as error:
            if error.code not in CALL_ERRORS:
                raise


async def while_a_reload_starts_it(stage: Stage, plugin: str, step: str, act: str) -> None:
    """The old instance serves on, and no call is lost."""
    stage.cast(plugin, "", "")
    handle = await stage.load(plugin)
    stage.cast(plugin, step, act)
    reloading = asyncio.ensure_future(stage.manager.reload(plugin))
    count = 0
    while not reloading.done() or count < 3:
        assert await handle.execute(str(count), timeout=HUNG) == str(count)
        count += 1
        await asyncio.sleep(0.02)
    with pytest.raises(LoadError):
        await reloading
    stage.cast(plugin, "", "")
    await stage.manager.reload(plugin)
    assert await handle.execute("mended") == "mended"


async def during_a_call(stage: Stage, plugin: str, step: str, act: str) -> None:
    handle = await stage.load(plugin)
    text = "now" + "!" * (1_500_000 if step in ("first part", "next part") else 5)
    calls = [handle.execute(text, timeout=1 if act in HANGING else HUNG)]
    # one behind an answer whose worker then hangs is up to its own deadline
    calls.append(handle.execute("behind 0", timeout=1 if step == "answered" else HUNG))
    calls += [handle.execute(f"behind {n}", timeout=HUNG) for n in (1, 2)]
    first, *behind = await asyncio.gather(*calls, return_exceptions=True)
    if isinstance(first, DevKitError):
        assert first.code in CALL_ERRORS, first
    else:
        assert step == "answered", "a call was answered that its worker never answered"
        assert first == text
    # what a worker says behind a broken rule isn't read, so it may have begun any
    broken = [each for each in behind if isinstance(each, ProtocolViolation)]
    assert len(broken) in (0, len(behind))
    if step == "answered":  # the one right behind is taken for begun
        assert not isinstance(behind[0], DevKitError) or behind[0].code in CALL_ERRORS
        behind[0] = "behind 0"
    assert broken or behind == ["behind 0", "behind 1", "behind 2"]
    assert await handle.execute("after", timeout=HUNG) == "after"
    assert stage.manager.stats(plugin).calls == 5  # each counted once


async def during_a_stream(stage: Stage, plugin: str, step: str, act: str) -> None:
    """What came before is given out; then the error."""
    handle = await stage.load(plugin)
    items = []

    async def read() -> None:
        async for item in handle.stream("now", timeout=1 if act in HANGING else HUNG):
            items.append(item[:1])

    with pytest.raises(DevKitError) as caught:
        await read()
    assert caught.value.code in CALL_ERRORS
    assert items == ["n", "o", "o"][: len(items)]
    assert items or act in HANGING
    assert await handle.execute("after", timeout=HUNG) == "after"


async def when_a_call_is_cancelled(stage: Stage, plugin: str, step: str, act: str) -> None:
    handle = await stage.load(plugin)
    call = asyncio.ensure_future(handle.execute("now", timeout=HUNG))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with contextlib.suppress(ProtocolViolation):  # where it is sent before the broken rule was read
        assert await handle.execute("after", timeout=HUNG) == "after"
    assert await handle.execute("on", timeout=HUNG) == "on"


async def when_it_takes_settings(stage: Stage, plugin: str, step: str, act: str) -> None:
    handle = await stage.load(plugin)
    with pytest.raises(DevKitError) as caught:
        await stage.manager.configure(plugin, {"number": 2})
    assert caught.value.code in CALL_ERRORS
    assert await handle.execute("after", timeout=HUNG) == "after"


async def when_it_is_asked_how_it_does(stage: Stage, plugin: str, step: str, act: str) -> None:
    handle = await stage.load(plugin)
    health = await stage.manager.check_health(plugin)
    assert health in (PluginHealth.DEGRADED, PluginHealth.UNHEALTHY)
    while True:  # one that is stopped is found out, and ended, by the call that it doesn't answer
        try:
            assert await handle.execute("after", timeout=0.5) == "after"
            break
        except CallTimeout:
            continue


async def when_it_is_shut_down(stage: Stage, plugin: str, step: str, act: str) -> None:
    handle = await stage.load(plugin)
    pid = handle.pid
    await stage.manager.unload(plugin)
    assert not Path(f"/proc/{pid}").exists()
    assert await (await stage.load(plugin)).execute("again") == "again"


PLAYS: dict[Callable[..., Awaitable[None]], tuple[str, ...]] = {
    while_it_starts: START,
    right_after_it_started: ("initialized",),
    while_a_reload_starts_it: ("before hello", "mid hello", "initialize", "ping", "mid pong"),
    during_a_call: CALL,
    during_a_stream: ("item 1", "item 2", "no credit", "credit"),
    when_a_call_is_cancelled: ("cancel",),
    when_it_takes_settings: ("configure", "mid configured"),
    when_it_is_asked_how_it_does: ("ping", "mid pong"),
    when_it_is_shut_down: ("shutdown", "mid goodbye", "after goodbye"),
}
#: steps at which repeating the last frame is what the host waits for, or goes unseen
NOT_REPEATED = {
    while_it_starts: ("before hello", "mid hello", "mid initialized"),
    while_a_reload_starts_it: ("before hello", "mid hello", "mid pong"),
    when_it_takes_settings: ("configure", "mid configured"),
    when_it_is_asked_how_it_does: ("ping", "mid pong"),
}


def named(play: Callable[..., Awaitable[None]], step: str, act: str) -> str:
    return f"{play.__name__} {step} {act}".replace(" ", "-").replace("_", "-")


async def test_any_fault_at_any_step(stage: Stage) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(play: Callable[..., Awaitable[None]], step: str, act: str) -> None:
        async with room:
            plugin = named(play, step, act)
            try:
                async with asyncio.timeout(HUNG):
                    await play(stage, plugin, step, act)
            except BaseException as error:
                error.add_note(f"{play.__name__}, `{step}`: {act}")
                raise

    wanted = [
        (play, step, act)
        for play, steps in PLAYS.items()
        for step in steps
        for act in ACTS
        if act != "repeat" or step not in NOT_REPEATED.get(play, ())
    ]
    for play, step, act in wanted:
        stage.cast(named(play, step, act), step, act)
    stage.manager.discover()
    results = await asyncio.gather(*(one(*each) for each in wanted), return_exceptions=True)
    assert len(results) > 250
    failed = [result for result in results if isinstance(result, BaseException)]
    if failed:
        raise BaseExceptionGroup(f"{len(failed)} of {len(results)}", failed)
