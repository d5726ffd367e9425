"""A manager finds, loads, runs, unloads; every state is reached by the table, every fault is typed."""

import asyncio

import pytest

from devkit_core.errors import (
    DependencyMissing,
    DevKitError,
    HasDependents,
    InitializeFailed,
    LoadError,
    ManifestError,
    NotFound,
    PluginRaised,
    WorkerCrashed,
)
from devkit_core.model.types import PluginStatus

SHOUT = "def execute(text: str) -> str:\n    return text.upper()\n"
TOLD = """
    def initialize():
        print("initialize {id}")
    def shutdown():
        print("shutdown {id}")
    def execute(text: str) -> str:
        return text
"""


async def code_of(awaitable) -> str:
    with pytest.raises(DevKitError) as caught:
        await awaitable
    return caught.value.code


async def test_the_documented_way(project):
    project.write("shout", SHOUT)
    project.write("plain")
    async with project.manager() as manager:
        report = await manager.scan_and_load_plugins()
        assert (set(report.loaded), report.failed) == ({"shout", "plain"}, {})
        assert {info.id for info in manager.list_plugins()} == {"shout", "plain"}
        handle = manager.get_plugin("shout")
        assert (handle.id, handle.name, handle.version) == ("shout", "shout", "1.0.0")
        assert await handle.execute("hello") == "HELLO"
        assert await manager.execute("plain", "hello") == "hello"
        assert handle.info.status is PluginStatus.ACTIVE
        assert handle.info.load_seconds > 0


async def test_nothing_is_started_by_listing(project):
    project.write("plain")
    async with project.manager() as manager:
        assert [f.id for f in manager.discover()] == ["plain"]
        (info,) = manager.list_all()
        assert info.status is PluginStatus.DISCOVERED
        assert manager.list_plugins() == []
        assert manager.get_plugin("plain") is None
        assert not project.places.runtime.exists()


async def test_one_that_fails_stops_no_other(project):
    project.write("good")
    project.write("bad", "raise RuntimeError('at import')\n")
    project.write("worse", "def initialize():\n    raise RuntimeError('no')\n" + SHOUT)
    (project.write("broken") / "plugin.toml").write_text("[metadata\n")
    project.write("dependent", needs={"bad": "*"})
    async with project.manager() as manager:
        report = await manager.scan_and_load_plugins()
        assert report.loaded == ("good",)
        assert {plugin: type(error) for plugin, error in report.failed.items()} == {
            "bad": LoadError,
            "worse": InitializeFailed,
            "broken": ManifestError,
            "dependent": DependencyMissing,
        }
        status = {info.id: info.status for info in manager.list_all()}
        assert status["bad"] is status["worse"] is status["broken"] is PluginStatus.ERROR
        assert manager.stats().failed_plugins == 2


async def test_dependencies_come_first_and_go_last(project):
    for name, needs in (("c", {}), ("b", {"c": "*"}), ("a", {"b": "^1", "c": "*"})):
        project.write(name, TOLD.format(id=name), needs=needs)
    manager = project.manager()
    printed = []
    manager.logs.follow(lambda line: printed.append(line.text))
    async with manager:
        await manager.load("a")
        assert [info.id for info in manager.list_plugins()] == ["c", "b", "a"]
        with pytest.raises(HasDependents) as caught:
            await manager.unload("c")
        assert set(caught.value.chain) & {"a", "b"}
        assert len(manager.list_plugins()) == 3
        await manager.unload("a")
        await manager.unload("b")
        await manager.load("a")
    assert [each for each in printed if each.startswith("initialize")][:3] == [
        f"initialize {n}" for n in "cba"
    ]
    downs = [each.split()[1] for each in printed if each.startswith("shutdown")]
    assert downs == ["a", "b", "a", "b", "c"]


async def test_cascade(project):
    project.write("base")
    project.write("middle", needs={"base": "*"})
    project.write("top", needs={"middle": "*"})
    project.write("apart")
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        await manager.unload("base", cascade=True)
        assert [info.id for info in manager.list_plugins()] == ["apart"]


async def test_an_optional_dependency_holds_nothing(project):
    project.write("extra")
    project.write("user", needs={"extra": "*", "absent": "*"}, optional=("extra", "absent"))
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        await manager.unload("extra")
        assert await manager.execute("user", "on") == "on"


async def test_loading_twice_at_once_is_one_load(project):
    project.write("base", "import os\nruns = str(os.getpid())\ndef execute(text): return runs\n")
    project.write("one", needs={"base": "*"})
    project.write("two", needs={"base": "*"})
    async with project.manager() as manager:
        manager.discover()
        events = manager.subscribe(kinds=["plugin-loaded"])
        await asyncio.gather(*(manager.load(each) for each in ("one", "two", "base", "one", "two", "base")))
        assert sorted(info.id for info in manager.list_plugins()) == ["base", "one", "two"]
        events.close()
        assert sorted([event.plugin async for event in events]) == ["base", "one", "two"]


async def test_max_plugins_counts_what_is_loaded_or_starting(project):
    for name in "abcd":
        project.write(name)
    async with project.manager(max_plugins=2) as manager:
        manager.discover()
        results = await asyncio.gather(*(manager.load(name) for name in "abcd"), return_exceptions=True)
        assert sorted(getattr(each, "code", "loaded") for each in results) == [
            "loaded",
            "loaded",
            "too-many-plugins",
            "too-many-plugins",
        ]
        first, second = (info.id for info in manager.list_plugins())
        await manager.load(first)  # it is loaded already
        await manager.unload(second)
        other = next(name for name in "abcd" if name not in (first, second))
        await manager.load(other)


async def test_unload_and_load_again(project):
    project.write("plain", SHOUT)
    async with project.manager() as manager:
        handle = await manager.load("plain")
        pid = handle.pid
        await manager.unload("plain")
        assert await code_of(handle.execute("x")) == "plugin-not-loaded"
        assert await code_of(manager.execute("plain", "x")) == "plugin-not-loaded"
        assert await code_of(manager.unload("plain")) == "plugin-not-loaded"
        assert await code_of(manager.reload("plain")) == "plugin-not-loaded"
        assert [info.status for info in manager.list_all()] == [PluginStatus.STOPPED]
        again = await manager.load("plain")
        assert await handle.execute("old handle, new life") == "OLD HANDLE, NEW LIFE"
        assert again.pid != pid


async def test_enable_and_disable(project):
    project.write("base")
    project.write("user", needs={"base": "*"})
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        await manager.disable("base")
        assert {i.id: i.status for i in manager.list_all()} == {
            "base": PluginStatus.DISABLED,
            "user": PluginStatus.STOPPED,
        }
        assert await code_of(manager.load("base")) == "plugin-disabled"
        await manager.disable("user")
        assert all(not info.enabled for info in manager.list_all())
        assert (await manager.scan_and_load_plugins()).loaded == ()
        await manager.enable("user")
        await manager.enable("base")
        assert {info.status for info in manager.list_all()} == {PluginStatus.DISCOVERED}
        assert len((await manager.scan_and_load_plugins()).loaded) == 2
    async with project.manager() as manager:
        await manager.disable("user")  # one that was never loaded here
        assert [i.status for i in manager.list_all() if i.id == "user"] == [PluginStatus.DISABLED]


async def test_a_plugin_that_failed_can_be_disabled(project):
    project.write("bad", "raise RuntimeError('no')\n")
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        await manager.disable("bad")
        assert [info.status for info in manager.list_all()] == [PluginStatus.DISABLED]


async def test_a_failed_load_can_be_tried_again(project):
    project.write("late", "raise RuntimeError('not yet')\n" + SHOUT)
    async with project.manager() as manager:
        assert await code_of(manager.load("late")) == "load-failed"
        assert manager.get_plugin("late") is None
        project.write("late", SHOUT)
        assert await (await manager.load("late")).execute("now") == "NOW"


@pytest.mark.parametrize("plugin", ["", "no-such-plugin", "../plain", "plain\0", "Ω" * 500])
async def test_ids_that_are_none(project, plugin):
    project.write("plain")
    async with project.manager() as manager:
        for method in (manager.load, manager.unload, manager.reload, manager.enable, manager.disable):
            with pytest.raises(NotFound):
                await method(plugin)
        with pytest.raises(NotFound):
            manager.stats(plugin)
        assert manager.get_plugin(plugin) is None


async def test_a_crash_costs_one_call_and_the_plugin_stays_loaded(project):
    project.write(
        "frail",
        """
        import os
        def execute(text: str) -> str:
            if text == "exit":
                os._exit(3)
            return text
        """,
    )
    async with project.manager() as manager:
        handle = await manager.load("frail")
        with pytest.raises(WorkerCrashed):
            await handle.execute("exit")
        assert manager.get_plugin("frail") is not None
        answers = await asyncio.gather(*(manager.execute("frail", str(n)) for n in range(20)))
        assert answers == [str(n) for n in range(20)]
        assert manager.get_plugin("frail") is not None
        assert manager.stats("frail").restarts == 1


async def test_calls_meanwhile_find_a_plugin_that_is_starting_again(project):
    project.write(
        "frail", "import os\ndef execute(text):\n    os._exit(1) if text == 'exit' else 0\n    return text\n"
    )
    async with project.manager() as manager:
        handle = await manager.load("frail")
        with pytest.raises(WorkerCrashed):
            await handle.execute("exit")
        waiting = asyncio.ensure_future(handle.execute("first"))
        await asyncio.sleep(0)
        while manager.stats("frail").status != "loading" and not waiting.done():
            await asyncio.sleep(0)
        assert manager.get_plugin("frail") is not None
        assert await manager.execute("frail", "second") == "second"
        assert await waiting == "first"


async def test_what_cannot_start_again_fails_its_calls_until_it_is_mended(project):
    folder = project.write("frail", "import os\ndef execute(text):\n    os._exit(1)\n")
    async with project.manager() as manager:
        handle = await manager.load("frail")
        (folder / "plugin.py").write_text("x = (\n")
        assert await code_of(handle.execute("x")) == "worker-crashed"
        assert await code_of(handle.execute("x")) == "load-failed"
        assert handle.info.status is PluginStatus.ERROR
        (folder / "plugin.py").write_text(SHOUT)
        assert await manager.execute("frail", "mended") == "MENDED"
        assert handle.info.status is PluginStatus.ACTIVE
        assert handle.info.error is None


async def test_a_rescan_leaves_what_runs(project):
    folder = project.write("plain", "import os\ndef execute(text): return str(os.getpid())\n")
    async with project.manager() as manager:
        await manager.scan_and_load_plugins()
        pid = await manager.execute("plain")
        project.write("late")
        assert set((await manager.scan_and_load_plugins()).loaded) == {"plain", "late"}
        assert await manager.execute("plain") == pid
        folder.rename(project.root / "elsewhere")
        assert set((await manager.scan_and_load_plugins()).loaded) == {"plain", "late"}
        assert {info.id for info in manager.list_plugins()} == {"plain", "late"}
        assert await manager.execute("plain") == pid
        await manager.unload("plain")
        assert [info.id for info in manager.list_plugins()] == ["late"]


async def test_closing_ends_everything(project):
    project.write("base", TOLD.format(id="base"))
    project.write("user", TOLD.format(id="user"), needs={"base": "*"})
    manager = project.manager()
    printed = []
    manager.logs.follow(lambda line: printed.append(line.text))
    await manager.scan_and_load_plugins()
    handle = manager.get_plugin("user")
    subscription = manager.subscribe()
    await manager.close()
    await manager.close()
    assert [each for each in printed if "shutdown" in each] == ["shutdown user", "shutdown base"]
    assert manager.list_plugins() == []
    assert await code_of(handle.execute("x")) == "plugin-not-loaded"
    assert await code_of(manager.load("base")) == "manager-closed"
    assert [event.data.get("event_type") async for event in subscription][-1] == "closed"
    assert [event async for event in manager.subscribe()] == []


async def test_closing_a_manager_that_did_nothing(project):
    manager = project.manager()
    await manager.close()
    project.write("plain")
    assert await code_of(manager.load("plain")) == "manager-closed"


async def test_closing_during_calls_fails_them_typed(project):
    project.write("slow", "import time\ndef execute(text):\n    time.sleep(float(text))\n    return text\n")
    manager = project.manager(shutdown_timeout=0.2)
    handle = await manager.load("slow")
    calls = [asyncio.ensure_future(handle.execute("30")) for _ in range(20)]
    await asyncio.sleep(0.05)
    await manager.close()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in results} <= {WorkerCrashed, LoadError}


async def test_closing_during_a_load(project):
    project.write("slow", "import time\ndef initialize(): time.sleep(0.3)\ndef execute(t): return t\n")
    manager = project.manager()
    loading = asyncio.ensure_future(manager.load("slow"))
    await asyncio.sleep(0.1)
    await manager.close()
    assert await code_of(loading) in ("manager-closed", "plugin-not-loaded")
    assert manager.list_plugins() == []


async def test_unloading_a_dependency_while_its_user_starts(project):
    project.write("base")
    slow = "import time\ndef initialize(): time.sleep(0.3)\ndef execute(t): return t\n"
    project.write("user", slow, needs={"base": "*"})
    async with project.manager() as manager:
        await manager.load("base")
        loading = asyncio.ensure_future(manager.load("user"))
        await asyncio.sleep(0.1)
        await manager.unload("base")
        with pytest.raises(DependencyMissing):
            await loading
        assert manager.list_plugins() == []


async def test_a_load_that_is_cancelled_leaves_nothing(project):
    project.write("slow", "import time\ndef initialize(): time.sleep(5)\ndef execute(t): return t\n")
    async with project.manager() as manager:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(manager.load("slow"), 0.2)
        assert [info.status for info in manager.list_all()] == [PluginStatus.STOPPED]
        project.write("slow", SHOUT)
        assert await (await manager.load("slow")).execute("ok") == "OK"


async def test_errors_of_the_plugin_reach_the_caller(project):
    project.write("plain", "def execute(text: str) -> str:\n    return str(1 / int(text))\n")
    async with project.manager() as manager:
        await manager.load("plain")
        with pytest.raises(PluginRaised) as caught:
            await manager.execute("plain", "0")
        assert (caught.value.kind, caught.value.plugin) == ("ZeroDivisionError", "plain")


async def test_several_managers_in_one_process(project):
    project.write("plain", "import os\ndef execute(text): return str(os.getpid())\n")
    one, two = project.manager(), project.manager()
    async with one, two:
        first, second = await one.load("plain"), await two.load("plain")
        pids = await asyncio.gather(first.execute(), second.execute())
        assert len({*pids}) == 2
        await one.close()
        assert await second.execute() == pids[1]


async def test_several_managers_with_the_same_extensions(project):
    project.write("plain", "import os\ndef execute(text): return str(os.getpid())\n")
    one = project.manager()
    two = project.manager(extensions=one.extensions)
    async with one, two:
        await one.load("plain")
        handle = await two.load("plain")
        pid = await handle.execute()
        await one.close()
        assert await handle.execute() == pid
    three = project.manager(extensions=one.extensions)
    async with three:
        assert await (await three.load("plain")).execute() != pid


async def test_who_closes_meanwhile_waits_too(project):
    project.write("told", TOLD.format(id="told"))
    manager = project.manager()
    await manager.__aenter__()
    await manager.load("told")
    first = asyncio.ensure_future(manager.close())
    await asyncio.sleep(0)
    await manager.close()
    assert first.done()
    assert any("shutdown told" in line.text for line in manager.logs.lines("told"))


async def test_a_close_that_is_cancelled_goes_on(project):
    project.write("told", TOLD.format(id="told"))
    manager = project.manager()
    await manager.__aenter__()
    handle = await manager.load("told")
    closing = asyncio.ensure_future(manager.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await manager.close()
    assert handle.pid is None
    assert any("shutdown told" in line.text for line in manager.logs.lines("told"))


async def test_closed_before_a_load_has_begun(project):
    project.write("plain")
    manager = project.manager()
    await manager.__aenter__()
    manager.discover()
    loading = asyncio.ensure_future(manager.load("plain"))
    await asyncio.sleep(0)
    await manager.close()
    assert await code_of(loading) == "manager-closed"
