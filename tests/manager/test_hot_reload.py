"""Files that change bring a fresh instance; whatever goes wrong, the old one stays and calls go on."""

import asyncio

import pytest

from devkit_core.events.bus import EventKind

pytest.importorskip("watchfiles", reason='watchfiles is not installed (pip install "devkit-core[reload]")')

SAYS = """
def execute(text: str) -> str:
    return "{0}"
"""


async def test_a_change_is_taken_up(changing):
    handle = changing.manager.get_plugin("plain")
    assert await handle.execute() == "one"
    changing.write(SAYS.format("two"))
    done = await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await handle.execute() == "two"
    assert done.data["attempt"] == 1
    assert done.data["seconds"] > 0
    (changed,) = (event for event in changing.seen if event.kind is EventKind.FILE_CHANGED)
    assert changed.data["changes"] == {"plugin.py": "modified"}
    after = changing.kinds()[changing.kinds().index(EventKind.FILE_CHANGED) :]
    assert after == [
        EventKind.FILE_CHANGED,
        EventKind.RELOAD_STARTED,
        EventKind.PLUGIN_LOADED,
        EventKind.RELOAD_SUCCEEDED,
    ]
    assert changing.manager.stats("plain").reloads == 1


async def test_a_manifest_that_changes(changing):
    manifest = changing.project.root / "plugins" / "plain" / "plugin.toml"
    manifest.write_text(manifest.read_text().replace("1.0.0", "1.1.0"))
    done = await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert EventKind.MANIFEST_CHANGED in changing.kinds()
    assert (done.data["before"], done.data["version"]) == ("1.0.0", "1.1.0")
    assert changing.manager.get_plugin("plain").version == "1.1.0"


async def test_a_new_one_that_fails_leaves_the_old(changing):
    handle = changing.manager.get_plugin("plain")
    changing.write("def execute(text):\n    return 'x'\n\nx = = 1\n")
    failed = await changing.until(EventKind.RELOAD_FAILED)
    assert failed.data["path"].endswith("plugins/plain/plugin.py")
    assert failed.data["line"] == 4
    assert (failed.data["attempt"], failed.data["attempts"]) == (1, 3)
    assert await handle.execute() == "one"
    assert handle.info.error is None
    changing.write(SAYS.format("mended"))
    await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await handle.execute() == "mended"


async def test_attempts_end_until_the_contents_change(project, watching):
    project.write("plain", SAYS.format("one"))
    async with project.manager(control=True, debounce_delay_ms=30, max_reload_attempts=2) as manager:
        changing = watching(manager)
        await manager.load("plain")
        await changing.until(EventKind.WATCH_STARTED)
        changing.write("raise RuntimeError('no')\ndef execute(t): return t\n")
        assert (await changing.until(EventKind.RELOAD_FAILED)).data["attempt"] == 1
        assert (await changing.until(EventKind.RELOAD_FAILED)).data["attempt"] == 2
        (project.root / "plugins" / "plain" / "plugin.py").touch()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):
                await changing.until(EventKind.RELOAD_STARTED)
        changing.write(SAYS.format("two"))
        assert (await changing.until(EventKind.RELOAD_SUCCEEDED)).data["attempt"] == 1
        assert await manager.execute("plain") == "two"


async def test_a_manifest_that_breaks_is_a_failure_with_its_line(changing):
    manifest = changing.project.root / "plugins" / "plain" / "plugin.toml"
    whole = manifest.read_text()
    manifest.write_text(whole + "\n[[[\n")
    failed = await changing.until(EventKind.RELOAD_FAILED)
    assert failed.data["path"].endswith("plugin.toml")
    assert failed.data["line"] is not None
    assert await changing.manager.execute("plain") == "one"
    assert [info.id for info in changing.manager.list_plugins()] == ["plain"]


async def test_an_unhealthy_new_instance_does_not_take_over(project, watching):
    healthy = "def execute(t): return 'one'\ndef health(_): return 'healthy'\n"
    project.write("plain", healthy, more='[functions.health]\ndescription = "how it does"\n')
    async with project.manager(control=True, debounce_delay_ms=30) as manager:
        changing = watching(manager)
        await manager.load("plain")
        await changing.until(EventKind.WATCH_STARTED)
        changing.write(healthy.replace("'healthy'", "{'health': 'unhealthy', 'message': 'no database'}"))
        failed = await changing.until(EventKind.RELOAD_FAILED)
        assert failed.data["code"] == "plugin-unhealthy"
        assert "no database" in failed.data["message"]
        assert await manager.execute("plain") == "one"


async def test_only_the_plugin_and_its_dependents_are_reloaded(project, watching):
    project.write("plain", SAYS.format("one"))
    project.write("user", needs={"plain": "^1"})
    project.write("apart")
    async with project.manager(control=True, debounce_delay_ms=30) as manager:
        changing = watching(manager)
        await manager.scan_and_load_plugins()
        await changing.until(EventKind.WATCH_STARTED, "user")
        changing.write(SAYS.format("two"))
        done = await changing.until(EventKind.RELOAD_SUCCEEDED, "user")
        assert done.data["because"] == "plain"
        assert {p: s.reloads for p, s in manager.stats().plugins.items()} == {
            "plain": 1,
            "user": 1,
            "apart": 0,
        }


async def test_a_version_that_its_dependents_refuse_does_not_take_over(project, watching):
    folder = project.write("plain", SAYS.format("one"))
    project.write("user", needs={"plain": "^1"})
    async with project.manager(control=True, debounce_delay_ms=30) as manager:
        changing = watching(manager)
        await manager.scan_and_load_plugins()
        await changing.until(EventKind.WATCH_STARTED, "plain")
        manifest = folder / "plugin.toml"
        whole = manifest.read_text()
        manifest.write_text(whole.replace("1.0.0", "2.0.0"))
        failed = await changing.until(EventKind.RELOAD_FAILED)
        assert failed.data["code"].startswith("dependency-")
        assert manager.get_plugin("plain").version == "1.0.0"
        manifest.write_text(whole.replace("1.0.0", "1.2.0"))
        await changing.until(EventKind.RELOAD_SUCCEEDED)
        assert manager.get_plugin("plain").version == "1.2.0"


async def test_a_new_dependency_is_loaded_first(project, watching):
    project.write("plain", SAYS.format("one"))
    project.write("base")
    async with project.manager(control=True, debounce_delay_ms=30) as manager:
        changing = watching(manager)
        await manager.load("plain")
        await changing.until(EventKind.WATCH_STARTED)
        manager.discover()
        project.write("plain", SAYS.format("two"), needs={"base": "*"})
        await changing.until(EventKind.RELOAD_SUCCEEDED)
        assert {info.id for info in manager.list_plugins()} == {"plain", "base"}
        with pytest.raises(Exception, match="needed by plain"):
            await manager.unload("base")


async def test_a_plugin_that_failed_to_load_is_loaded_when_it_is_mended(project, watching):
    project.write("plain", "raise RuntimeError('no')\ndef execute(t): return t\n")
    async with project.manager(control=True, debounce_delay_ms=30) as manager:
        changing = watching(manager)
        assert "plain" in (await manager.scan_and_load_plugins()).failed
        await changing.until(EventKind.WATCH_STARTED)
        changing.write(SAYS.format("mended"))
        await changing.until(EventKind.RELOAD_SUCCEEDED)
        assert await manager.execute("plain") == "mended"


async def test_what_is_unloaded_is_watched_no_more(changing):
    await changing.manager.unload("plain")
    await changing.until(EventKind.WATCH_STOPPED)
    changing.write(SAYS.format("two"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await changing.until(EventKind.FILE_CHANGED)
    assert changing.manager.list_plugins() == []
    await changing.manager.load("plain")
    await changing.until(EventKind.WATCH_STARTED)
    changing.write(SAYS.format("three"))
    await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await changing.manager.execute("plain") == "three"


@pytest.mark.parametrize("more", [{"control": False}, {"control": True, "hot_reload": False}])
async def test_who_does_not_watch(project, more):
    import threading

    project.write("plain", SAYS.format("one"))
    async with project.manager(**more) as manager:
        subscription = manager.subscribe()
        await manager.load("plain")
        await asyncio.sleep(0.1)
        assert not [thread for thread in threading.enumerate() if thread.name == "devkit-watch"]
        subscription.close()
        kinds = {event.kind async for event in subscription}
        assert EventKind.WATCH_STARTED not in kinds


async def test_closing_ends_the_watch(project, watching):
    import threading

    project.write("plain", SAYS.format("one"))
    manager = project.manager(control=True)
    changing = watching(manager)
    await manager.load("plain")
    await changing.until(EventKind.WATCH_STARTED)
    await manager.close()
    await changing.until(EventKind.WATCH_STOPPED)
    assert not [thread for thread in threading.enumerate() if thread.name == "devkit-watch"]
