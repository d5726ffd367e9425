"""What a manager tells of itself: events, numbers, health, lines of output."""

import asyncio
import json

import pytest

from devkit_core.errors import CallTimeout, DevKitError, LoadError, PluginRaised, UsageError
from devkit_core.events.bus import EventKind
from devkit_core.model.types import PluginHealth

WORK = """
    import time
    def execute(text: str) -> str:
        if text == "raise":
            raise ValueError("no")
        if text == "sleep":
            time.sleep(30)
        return text * 2
"""


async def kinds(subscription) -> list[EventKind]:
    subscription.close()
    return [event.kind async for event in subscription]


async def test_numbers_of_a_plugin(project):
    project.write("worker", WORK)
    async with project.manager() as manager:
        handle = await manager.load("worker")
        before = manager.stats("worker")
        assert (before.calls, before.errors, before.latency.p50) == (0, {}, None)
        for _ in range(20):
            await handle.execute("abc")
        with pytest.raises(PluginRaised):
            await handle.execute("raise")
        with pytest.raises(CallTimeout):
            await handle.execute("sleep", timeout=0.1)
        assert await handle.execute("x", timeout=20) == "xx"
        numbers = manager.stats("worker")
        assert numbers.calls == 23
        assert numbers.errors == {"plugin-raised": 1, "call-timeout": 1}
        assert numbers.failed == 2
        assert numbers.bytes_in == 20 * 3 + 5 + 5 + 1
        assert numbers.bytes_out == 20 * 6 + 2
        assert (
            0 < numbers.latency.p50 <= numbers.latency.p90 <= numbers.latency.p999 <= numbers.latency.longest
        )
        assert numbers.latency.longest >= 0.1
        assert (numbers.status, numbers.health) == ("active", "healthy")
        assert numbers.pid == handle.pid
        assert numbers.memory_bytes > 1 << 20
        assert numbers.cpu_seconds >= 0
        assert numbers.uptime_seconds > 0
        json.dumps(manager.stats().as_dict())


async def test_totals_stay_right_after_unloading(project):
    project.write("worker", WORK)
    project.write("other")
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        await manager.execute("worker", "a")
        await manager.execute("other", "b")
        await manager.unload("worker")
        system = manager.stats()
        assert (system.total_plugins, system.loaded_plugins, system.failed_plugins) == (2, 1, 0)
        assert (system.calls, system.failed_calls) == (2, 0)
        assert system.total_events > 10
        assert system.last_scan_at >= system.started_at
        gone = manager.stats("worker")
        assert (gone.calls, gone.status, gone.pid, gone.memory_bytes) == (1, "stopped", None, None)
        await manager.load("worker")
        await manager.execute("worker", "c")
        assert manager.stats("worker").calls == 2


async def test_numbers_of_what_was_never_loaded(project):
    project.write("worker", WORK)
    async with project.manager() as manager:
        with pytest.raises(LoadError):
            manager.stats("worker")
        assert manager.stats().plugins == {}


async def test_streams_and_cancelled_calls_are_counted(project):
    project.write(
        "items",
        """
        import time
        def execute(text: str):
            for n in range(int(text)):
                yield "item"
                time.sleep(0.01)
        """,
    )
    async with project.manager() as manager:
        handle = await manager.load("items")
        assert [item async for item in handle.stream("3")] == ["item"] * 3
        assert manager.stats("items").bytes_out == 12
        call = asyncio.ensure_future(handle.execute("1000"))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        numbers = manager.stats("items")
        assert (numbers.calls, numbers.errors) == (2, {"cancelled": 1})


async def test_every_kind_of_life_event(project):
    project.write(
        "base", "import os\ndef execute(text):\n    os._exit(1) if text == 'exit' else 0\n    return text\n"
    )
    project.write("user", needs={"base": "*"})
    async with project.manager() as manager:
        subscription = manager.subscribe()
        await manager.scan_and_load_plugins()
        with pytest.raises(DevKitError):
            await manager.execute("base", "exit")
        assert await manager.execute("base", "on") == "on"
        await manager.reload("base")
        await manager.unload("base", cascade=True)
        subscription.close()
        events = [event async for event in subscription]
    assert {event.kind for event in events} >= {
        EventKind.PLUGIN_LOADED,
        EventKind.PLUGIN_UNLOADED,
        EventKind.PLUGIN_ERROR,
        EventKind.PLUGIN_STATE_CHANGED,
        EventKind.PLUGIN_HEALTH_CHANGED,
        EventKind.DEPENDENCY_RESOLVED,
        EventKind.SYSTEM,
        EventKind.RELOAD_STARTED,
        EventKind.RELOAD_SUCCEEDED,
    }
    (error,) = (event for event in events if event.kind is EventKind.PLUGIN_ERROR)
    assert error.data["code"] == "worker-crashed"
    json.dumps([event.as_dict() for event in events])
    health = [
        e.data["health"] for e in events if e.kind is EventKind.PLUGIN_HEALTH_CHANGED and e.plugin == "base"
    ]
    assert health == ["healthy", "degraded", "healthy", "unknown"]


async def test_an_error_event_names_file_and_line(project):
    folder = project.write("bad", "x = 1\nraise RuntimeError('line two')\n")
    (folder / "plugin.py").write_text(
        "x = 1\n\ndef execute(t): return t\n\nraise RuntimeError('line five')\n"
    )
    async with project.manager() as manager:
        subscription = manager.subscribe(kinds=["plugin-error"])
        await manager.scan_and_load_plugins()
        event = await anext(subscription)
        assert event.data["line"] == 5
        assert event.data["path"].endswith("plugins/bad/plugin.py")
        assert "line five" in event.data["message"]


async def test_filters(project):
    project.write("one")
    project.write("two")
    async with project.manager() as manager:
        only = manager.subscribe(plugins=["one"], kinds=["plugin-loaded", "plugin-unloaded"])
        heard = []
        stop = manager.listen(heard.append, kinds=[EventKind.PLUGIN_UNLOADED])
        await manager.scan_and_load_plugins()
        await manager.unload("one")
        stop()
        await manager.unload("two")
        assert await kinds(only) == [EventKind.PLUGIN_LOADED, EventKind.PLUGIN_UNLOADED]
        assert [event.plugin for event in heard] == ["one"]
        with pytest.raises(UsageError):
            manager.subscribe(kinds=["plugin-exploded"])


HEALTH = """
    import os
    answer = "healthy"
    def execute(text: str) -> str:
        global answer
        answer = text
        return text
    def health(_):
        if answer == "raise":
            raise RuntimeError("the database is gone")
        if answer == "why":
            return {"health": "degraded", "message": "half of the disks"}
        return answer
"""


@pytest.mark.parametrize(
    ("answer", "health", "why"),
    [
        ("healthy", PluginHealth.HEALTHY, None),
        ("degraded", PluginHealth.DEGRADED, None),
        ("unhealthy", PluginHealth.UNHEALTHY, None),
        ("why", PluginHealth.DEGRADED, "half of the disks"),
        ("raise", PluginHealth.UNHEALTHY, "the database is gone"),
        ("nonsense", PluginHealth.UNHEALTHY, "nonsense"),
    ],
)
async def test_health_as_the_plugin_says(project, answer, health, why):
    project.write("patient", HEALTH, more='[functions.health]\ndescription = "how it does"\n')
    async with project.manager() as manager:
        handle = await manager.load("patient")
        await handle.execute(answer)
        events = manager.subscribe(kinds=["plugin-health-changed"])
        assert await manager.check_health("patient") is health
        assert handle.info.health is health
        if health is not PluginHealth.HEALTHY:
            event = await anext(events)
            assert event.data["health"] == health
            assert why is None or why in event.data["why"]
        assert manager.stats("patient").calls == 1  # asking is not a call


async def test_health_without_a_function_is_that_of_the_worker(project):
    project.write("plain")
    async with project.manager() as manager:
        await manager.load("plain")
        assert await manager.check_health("plain") is PluginHealth.HEALTHY


async def test_output_is_kept_on_disk_for_later(project):
    from devkit_core.events.logfile import last_run

    project.write("plain", "def execute(text):\n    print('said', text)\n    return text\n")
    async with project.manager() as manager:
        await (await manager.load("plain")).execute("hello")
        await manager.unload("plain")
        assert [line.text for line in manager.logs.lines("plain")] == ["said hello"]
    assert [line["text"] for line in last_run(project.places.state / "logs", "plain")] == ["said hello"]
