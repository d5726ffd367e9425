"""Workers that die, hang, rest and come by several: calls are answered, or fail typed and at once."""

import asyncio
import os
import signal

import pytest

from devkit_core.errors import CircuitOpen, LoadError, WorkerCrashed
from devkit_core.model.types import PluginHealth, PluginStatus

SECONDS = 30
FRAIL = """
    import os, time
    def execute(text: str) -> str:
        if text == "exit":
            os._exit(3)
        if text.startswith("sleep "):
            time.sleep(float(text[6:]))
        return f"{os.getpid()}:{text}"
"""


async def until(subscription, kind: str, **data):
    """Wait for an event of that kind and with these data."""
    async with asyncio.timeout(SECONDS):
        async for event in subscription:
            if event.kind == kind and all(event.data.get(key) == value for key, value in data.items()):
                return event
    raise AssertionError("the events ended")


async def crash(handle) -> None:
    with pytest.raises(WorkerCrashed):
        await handle.execute("exit")


# -- intensity and circuit


async def test_a_plugin_that_keeps_dying_is_left_alone_and_tried_again(project):
    project.write("frail", FRAIL)
    project.write("other")
    async with project.manager(max_restarts=3, circuit_cool_down=0.4) as manager:
        handle = await manager.load("frail")
        await manager.load("other")
        events = manager.subscribe(plugins=["frail"], kinds=["plugin-circuit-changed"])
        for _ in range(4):
            await crash(handle)
        with pytest.raises(CircuitOpen) as caught:
            await handle.execute("x")
        assert caught.value.code == "circuit-open"
        assert 0 < caught.value.retry_after <= 0.4
        assert "status 3" in caught.value.message
        assert "devkit plugin reload frail" in caught.value.hint
        assert handle.info.status is PluginStatus.ERROR
        assert handle.info.health is PluginHealth.UNHEALTHY
        stats = manager.stats("frail")
        assert (stats.circuit, stats.workers, stats.restarts) == ("open", 0, 3)
        assert 0 <= stats.retry_seconds <= 0.4
        assert await manager.execute("other", "on") == "on"
        opened = await until(events, "plugin-circuit-changed", new="open")
        assert (opened.data["deaths"], opened.data["old"]) == (4, "closed")
        assert "status 3" in opened.data["why"]
        async with asyncio.timeout(SECONDS):
            while manager.stats("frail").retry_seconds:
                await asyncio.sleep(0.02)
        assert (await handle.execute("again")).endswith(":again")
        await until(events, "plugin-circuit-changed", new="half-open")
        await until(events, "plugin-circuit-changed", new="closed")
        assert manager.stats("frail").circuit == "closed"
        assert handle.info.status is PluginStatus.ACTIVE


async def test_a_try_that_fails_opens_it_again_for_longer(project):
    project.write("frail", FRAIL)
    async with project.manager(max_restarts=0, circuit_cool_down=0.1) as manager:
        handle = await manager.load("frail")
        events = manager.subscribe(kinds=["plugin-circuit-changed"])
        await crash(handle)
        await asyncio.sleep(0.15)
        await crash(handle)
        seen = [(await until(events, "plugin-circuit-changed")).data for _ in range(3)]
        assert [(each["old"], each["new"]) for each in seen] == [
            ("closed", "open"),
            ("open", "half-open"),
            ("half-open", "open"),
        ]
        assert seen[0]["retry_seconds"] <= 0.1 < seen[2]["retry_seconds"] <= 0.2


@pytest.mark.parametrize("word", ["reload", "load"])
async def test_who_asks_for_it_closes_the_circuit(project, word):
    project.write("frail", FRAIL)
    async with project.manager(max_restarts=0, circuit_cool_down=600) as manager:
        handle = await manager.load("frail")
        await crash(handle)
        with pytest.raises(CircuitOpen):
            await handle.execute("x")
        await getattr(manager, word)("frail")
        assert manager.stats("frail").circuit == "closed"
        assert (await handle.execute("x")).endswith(":x")


async def test_the_manifest_may_be_stricter_never_looser(project):
    more = "[runtime.restart]\nmax_restarts = {}\nwithin_seconds = 1\ncool_down_seconds = 1\n"
    project.write("strict", FRAIL, more=more.format(0))
    project.write("loose", FRAIL, more=more.format(1000))
    async with project.manager(max_restarts=1, circuit_cool_down=600) as manager:
        for plugin, crashes in (("strict", 1), ("loose", 2)):
            handle = await manager.load(plugin)
            for _ in range(crashes):
                await crash(handle)
            with pytest.raises(CircuitOpen) as caught:
                await handle.execute("x")
            assert caught.value.retry_after > 500


async def test_a_call_that_does_not_stop_is_no_death_of_the_plugin(project):
    project.write("slow", FRAIL)
    async with project.manager(max_restarts=0) as manager:
        handle = await manager.load("slow")
        with pytest.raises(TimeoutError):
            await handle.execute("sleep 60", timeout=0.05)
        assert (await handle.execute("x", timeout=SECONDS)).endswith(":x")
        assert manager.stats("slow").circuit == "closed"


# -- deaths during a start


async def test_calls_outlive_a_restart_that_is_killed(project):
    folder = project.write(
        "shy",
        """
        import os, pathlib, time
        here = pathlib.Path(__file__).parent
        def initialize():
            if (here / "slow").exists():
                os.kill(os.getpid(), 9)  # as somebody else would, in the middle of a start
        def execute(text: str) -> str:
            if text == "exit":
                os._exit(1)
            return text
        """,
    )
    async with project.manager(max_restarts=1000) as manager:
        handle = await manager.load("shy")
        events = manager.subscribe(plugins=["shy"])
        (folder / "slow").touch()
        await crash(handle)
        calls = [asyncio.ensure_future(handle.execute(str(n), timeout=SECONDS)) for n in range(10)]
        for _ in range(2):
            await until(events, "plugin-state-changed", new="error")
        assert not any(call.done() for call in calls)
        (folder / "slow").unlink()
        assert await asyncio.gather(*calls) == [str(n) for n in range(10)]


async def test_waiting_calls_end_by_their_own_deadline_or_the_circuit(project):
    folder = project.write(
        "shy",
        """
        import os, pathlib
        if (pathlib.Path(__file__).parent / "die").exists():
            os._exit(4)
        def execute(text: str) -> str:
            os._exit(1)
        """,
    )
    async with project.manager(max_restarts=4) as manager:
        handle = await manager.load("shy")
        (folder / "die").touch()
        await crash(handle)
        patient = asyncio.ensure_future(handle.execute("x", timeout=SECONDS))
        with pytest.raises((TimeoutError, CircuitOpen)):
            await handle.execute("x", timeout=0.01)
        with pytest.raises(CircuitOpen) as caught:
            await patient
        assert "status 4" in caught.value.message


# -- idle health


async def test_an_idle_worker_that_is_stopped_is_replaced(project):
    project.write("plain", FRAIL)
    async with project.manager(ping_interval=0.05, ping_timeout=1.0) as manager:
        handle = await manager.load("plain")
        events = manager.subscribe(plugins=["plain"])
        pid = handle.pid
        await asyncio.sleep(0.2)
        assert handle.pid == pid
        os.kill(pid, signal.SIGSTOP)
        told = await until(events, "plugin-error")
        assert told.data["code"] == "worker-unresponsive"
        assert "answered no ping in 1 s" in told.data["message"]
        await until(events, "plugin-loaded", restarted=True)
        assert handle.pid != pid
        assert (await handle.execute("x")).endswith(":x")
        assert manager.stats("plain").errors == {}


async def test_a_busy_worker_is_not_pinged(project):
    project.write("plain", FRAIL)
    async with project.manager(ping_interval=0.02, ping_timeout=0.05) as manager:
        handle = await manager.load("plain")
        pid = handle.pid
        assert await handle.execute("sleep 0.4") == f"{pid}:sleep 0.4"


# -- drain


async def test_closing_lets_calls_finish_and_takes_no_more(project):
    project.write("slow", FRAIL)
    manager = project.manager(shutdown_timeout=SECONDS)
    handle = await manager.load("slow")
    pid = handle.pid
    calls = [asyncio.ensure_future(handle.execute("sleep 0.1")) for _ in range(3)]
    await asyncio.sleep(0.02)
    closing = asyncio.ensure_future(manager.close())
    await asyncio.sleep(0.02)
    with pytest.raises(LoadError) as caught:
        await handle.execute("late")
    assert caught.value.code == "plugin-not-loaded"
    await closing
    assert await asyncio.gather(*calls) == [f"{pid}:sleep 0.1"] * 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_unloading_waits_no_longer_than_shutdown_may_take(project):
    project.write("slow", FRAIL)
    async with project.manager(shutdown_timeout=0.2) as manager:
        handle = await manager.load("slow")
        call = asyncio.ensure_future(handle.execute("sleep 60"))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(SECONDS):
            await manager.unload("slow")
        with pytest.raises(WorkerCrashed):
            await call


# -- idempotent calls

ONCE = """
    import os, pathlib
    mark = pathlib.Path(__file__).parent / "begun"
    def execute(text: str) -> str:
        times = int(mark.read_text()) if mark.exists() else 0
        mark.write_text(str(times + 1))
        if times < int(text or 0):
            os._exit(1)
        return str(times)
    def other(text):
        os._exit(1)
"""
WRITING = '\n[permissions]\npermissions = ["filesystem:write=$PLUGIN"]\n'


@pytest.mark.parametrize("where", ["runtime", "functions.execute"])
async def test_an_idempotent_call_is_begun_again(project, where):
    folder = project.write("again", ONCE, more=f"[{where}]\nidempotent = true\n" + WRITING)
    granted = {"default_permissions": ("filesystem:write=$PLUGIN",), "max_restarts": 100}
    async with project.manager(**granted) as manager:
        handle = await manager.load("again")
        assert await handle.execute("3") == "3"
        assert manager.stats("again").errors == {}
        (folder / "begun").unlink()
        with pytest.raises(WorkerCrashed):  # not for ever
            await handle.execute("1000")
        assert (folder / "begun").read_text() == "4"


async def test_others_are_never_begun_again(project):
    more = "[runtime]\nidempotent = true\n[functions.execute]\nidempotent = false\n[functions.other]\n"
    folder = project.write("once", ONCE, more=more + WRITING)
    async with project.manager(default_permissions=("filesystem:write=$PLUGIN",)) as manager:
        handle = await manager.load("once")
        with pytest.raises(WorkerCrashed):
            await handle.execute("3")
        assert (folder / "begun").read_text() == "1"


# -- several workers


async def test_several_workers_share_the_calls(project):
    project.write("many", FRAIL, more="[runtime]\nworkers = 3\n")
    async with project.manager() as manager:
        handle = await manager.load("many")
        answers = await asyncio.gather(*(handle.execute("sleep 0.05") for _ in range(6)))
        stats = manager.stats("many")
        assert len({*answers}) == 3
        assert stats.workers == 3
        assert {int(each.split(":")[0]) for each in answers} == {*stats.pids}
        assert stats.memory_bytes > 0
        found = [outcome.result() async for outcome in handle.map(["sleep 0.01"] * 30)]
        assert {int(each.split(":")[0]) for each in found} == {*stats.pids}


async def test_one_that_dies_stops_no_other(project):
    telling = FRAIL.replace(
        "            time.sleep", "            print(text, flush=True)\n            time.sleep"
    )
    project.write("many", telling, more="[runtime]\nworkers = 3\n")
    async with project.manager() as manager:
        handle = await manager.load("many")
        events = manager.subscribe(plugins=["many"])
        begun: asyncio.Queue[str] = asyncio.Queue()
        manager.logs.follow(lambda line: begun.put_nowait(line.text))
        before = {*manager.stats("many").pids}
        slow = [asyncio.ensure_future(handle.execute("sleep 0.5")) for _ in range(3)]
        async with asyncio.timeout(SECONDS):
            for _ in slow:
                await begun.get()
        os.kill(min(before), signal.SIGKILL)
        results = await asyncio.gather(*slow, return_exceptions=True)
        assert sum(isinstance(each, WorkerCrashed) for each in results) <= 1  # it may just have answered
        assert sum(isinstance(each, str) for each in results) >= 2
        await until(events, "plugin-loaded", restarted=True, workers=3)
        after = {*manager.stats("many").pids}
        assert len(after) == 3
        assert after & before == before - {min(before)}
        assert manager.stats("many").status == "active"


async def test_reload_swaps_all_without_a_failed_call(project):
    project.write("many", FRAIL, more="[runtime]\nworkers = 2\n")
    async with project.manager() as manager:
        handle = await manager.load("many")
        before = {*manager.stats("many").pids}
        calls = [asyncio.ensure_future(handle.execute("sleep 0.02")) for _ in range(20)]
        await asyncio.sleep(0.01)
        await manager.reload("many")
        after = {*manager.stats("many").pids}
        assert len(after) == 2
        assert not before & after
        assert len(await asyncio.gather(*calls)) == 20
        answers = await asyncio.gather(*(handle.execute("x") for _ in range(4)))
        assert {int(each.split(":")[0]) for each in answers} <= after


async def test_the_host_bounds_how_many(project):
    project.write("many", FRAIL, more="[runtime]\nworkers = 64\n")
    async with project.manager(max_workers=2) as manager:
        await manager.load("many")
        assert manager.stats("many").workers == 2


async def test_with_an_open_circuit_the_others_go_on(project):
    more = "[runtime]\nworkers = 2\n[runtime.restart]\nmax_restarts = 0\n"
    project.write("many", FRAIL, more=more)
    async with project.manager(circuit_cool_down=0.2) as manager:
        handle = await manager.load("many")
        events = manager.subscribe(plugins=["many"])
        await crash(handle)
        assert (await handle.execute("x")).endswith(":x")
        assert manager.stats("many").workers == 1
        await until(events, "plugin-circuit-changed", new="closed")
        assert manager.stats("many").workers == 2


async def test_when_the_last_dies_too_no_call_waits(project):
    project.write("many", FRAIL, more="[runtime]\nworkers = 2\n")
    async with project.manager(max_restarts=1, circuit_cool_down=600) as manager:
        handle = await manager.load("many")
        codes: list[str] = []
        async with asyncio.timeout(SECONDS):
            for _ in range(12):
                calls = [handle.execute("exit") for _ in range(2)]
                codes += [each.code for each in await asyncio.gather(*calls, return_exceptions=True)]
        assert {*codes} == {"worker-crashed", "circuit-open"}
        assert codes.count("worker-crashed") <= 4  # two, and one restart of each
        assert manager.stats("many").restarts <= 2


# -- on demand, and rests

LAZY = '[runtime]\nactivation = "on-demand"\n'


async def test_the_first_call_starts_it(project):
    project.write("lazy", FRAIL, more=LAZY)
    project.write("eager")
    async with project.manager(max_plugins=1) as manager:
        report = await manager.scan_and_load_plugins()
        assert (report.loaded, report.on_demand, report.failed) == (("eager",), ("lazy",), {})
        handle = manager.get_plugin("lazy")
        assert (handle.pid, handle.info.status) == (None, PluginStatus.RESOLVED)
        with pytest.raises(LoadError) as caught:
            await handle.execute("x")
        assert caught.value.code == "too-many-plugins"
        await manager.unload("eager")
        events = manager.subscribe(plugins=["lazy"])
        calls = await asyncio.gather(*(handle.execute(str(n)) for n in range(5)))
        assert {each.split(":")[0] for each in calls} == {str(handle.pid)}
        assert handle.info.status is PluginStatus.ACTIVE
        await until(events, "plugin-loaded", on_demand=True)
        assert [each.id for each in manager.list_plugins()] == ["lazy"]


async def test_what_it_needs_is_started_with_it(project):
    project.write("base", FRAIL, more=LAZY)
    project.write("lazy", FRAIL, more=LAZY, needs={"base": "*"})
    project.write("eager", FRAIL, needs={"base": "*"})
    async with project.manager() as manager:
        assert (await manager.scan_and_load_plugins()).loaded == ("base", "eager")
        await manager.unload("eager")
        await manager.unload("base")
        assert (await manager.get_plugin("lazy").execute("x")).endswith(":x")
        assert [each.id for each in manager.list_plugins()] == ["base", "lazy"]


async def test_what_is_wrong_with_it_is_told_by_the_scan_and_by_the_call(project):
    folder = project.write("lazy", "x = (\n", more=LAZY)
    project.write("lost", FRAIL, more=LAZY)
    (project.root / "plugins" / "lost" / "plugin.py").unlink()
    async with project.manager() as manager:
        report = await manager.scan_and_load_plugins()
        assert report.on_demand == ("lazy",)
        assert report.failed["lost"].code == "entry-point-missing"
        handle = manager.get_plugin("lazy")
        for _ in range(2):
            with pytest.raises(LoadError):
                await handle.execute("x")
        assert handle.info.status is PluginStatus.ERROR
        (folder / "plugin.py").write_text("def execute(text): return text\n")
        assert await handle.execute("mended") == "mended"
        assert [each.id for each in manager.list_plugins()] == ["lazy"]


async def test_one_that_waits_can_be_unloaded_and_disabled(project):
    project.write("lazy", FRAIL, more=LAZY)
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        handle = manager.get_plugin("lazy")
        await manager.unload("lazy")
        assert manager.get_plugin("lazy") is None
        with pytest.raises(LoadError):
            await handle.execute("x")
        assert (await manager.scan_and_load_plugins()).on_demand == ("lazy",)
        await manager.disable("lazy")
        assert [each.status for each in manager.list_all()] == [PluginStatus.DISABLED]


async def test_an_idle_plugin_rests_until_the_next_call(project):
    project.write("lazy", FRAIL, more=LAZY + "[runtime.timeouts]\nidle_timeout_seconds = 0.4\n")
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        handle = manager.get_plugin("lazy")
        events = manager.subscribe(plugins=["lazy"])
        first = await handle.execute("x")
        slow = await handle.execute("sleep 0.9")  # which is no idleness
        assert slow.split(":")[0] == first.split(":")[0]
        told = await until(events, "plugin-unloaded")
        assert told.data["why"] == "idle for 0.4 s"
        await until(
            events, "plugin-state-changed"
        ) if handle.info.status is not PluginStatus.RESOLVED else None
        assert (handle.info.status, handle.pid) == (PluginStatus.RESOLVED, None)
        assert manager.list_plugins() == []
        again = await handle.execute("x")
        assert again.split(":")[0] != first.split(":")[0]
        assert manager.stats("lazy").restarts == 0


async def test_one_that_others_need_does_not_rest(project):
    project.write("base", FRAIL, more="[runtime.timeouts]\nidle_timeout_seconds = 0.1\n")
    project.write("user", FRAIL, needs={"base": "*"})
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        await asyncio.sleep(0.4)
        assert manager.get_plugin("base").pid is not None
        events = manager.subscribe(plugins=["base"])
        await manager.unload("user")
        await until(events, "plugin-unloaded", why="idle for 0.1 s")


async def test_what_it_needs_goes_while_its_first_call_starts_it(project):
    project.write("base", FRAIL)
    slow = "import time\ndef initialize():\n    time.sleep(0.4)\ndef execute(text):\n    return text\n"
    project.write("lazy", slow, more=LAZY, needs={"base": "*"})
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        handle = manager.get_plugin("lazy")
        events = manager.subscribe(plugins=["lazy"])
        call = asyncio.ensure_future(handle.execute("x"))
        await until(events, "plugin-state-changed", new="loading")
        await manager.unload("base")
        async with asyncio.timeout(SECONDS):
            assert await call == "x"  # it had initialized, and finishes what it has
        await until(events, "plugin-unloaded")
        assert manager.list_plugins() == []
        with pytest.raises(LoadError):
            await handle.execute("late")
        assert await (await manager.load("lazy")).execute("on") == "on"
