"""A supervisor keeps its plugin's calls through deaths and swaps, whatever the loader."""

import asyncio
from dataclasses import replace

import pytest

from devkit_core.errors import LoadError, Overloaded, PluginRaised
from devkit_core.model.types import PluginHealth, PluginStatus


async def test_calls_of_an_in_process_plugin_are_counted_too(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    assert await handle.execute("a") == "first:a"
    with pytest.raises(PluginRaised):
        await handle.execute("raise")
    numbers = pocket.manager.stats("one")
    assert (numbers.calls, numbers.errors, numbers.pid) == (2, {"plugin-raised": 1}, None)
    assert numbers.latency.p50 is not None


async def test_loading_again_is_no_second_instance(pocket):
    pocket.write()
    await pocket.manager.load("one")
    await pocket.manager.load("one")
    await pocket.manager.scan_and_load_plugins()
    assert len(pocket.loader.made) == 1


async def test_the_order_of_a_life(pocket):
    pocket.write()
    await pocket.manager.load("one")
    old = pocket.last
    pocket.write(word="second")
    await pocket.manager.reload("one")
    await asyncio.sleep(0.01)
    assert old.life == ["initialize", "drain", "shutdown", "close"]
    assert not old.request.scratch.exists()
    assert pocket.last.request.scratch.is_dir()
    await pocket.manager.unload("one")
    assert pocket.last.life[:4] == ["initialize", "drain", "shutdown", "close"]
    assert not pocket.last.request.scratch.exists()


async def test_a_reload_keeps_the_calls_of_the_old_instance(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    old = pocket.last
    old.held = []
    before = [asyncio.ensure_future(handle.execute(str(n))) for n in range(5)]
    await asyncio.sleep(0)
    pocket.write(word="second")
    await pocket.manager.reload("one")
    assert await handle.execute("new") == "second:new"
    assert "shutdown" not in old.life
    held, old.held = old.held, []
    for call in held:
        old.answer(call)
    assert await asyncio.gather(*before) == [f"first:{n}" for n in range(5)]


@pytest.mark.parametrize("word", ["fail", "sick"])
async def test_a_new_instance_that_is_not_fit_is_freed(pocket, word):
    pocket.write()
    handle = await pocket.manager.load("one")
    pocket.write(word="second", **{word: "yes"})
    with pytest.raises(LoadError) as caught:
        await pocket.manager.reload("one")
    assert caught.value.code == ("plugin-unhealthy" if word == "sick" else "load-failed")
    assert pocket.last.life[-1] == "close"
    assert not pocket.last.request.scratch.exists()
    assert await handle.execute("on") == "first:on"
    assert (handle.info.status, handle.info.health) == (PluginStatus.ACTIVE, PluginHealth.HEALTHY)


async def test_calls_that_a_dead_instance_had_not_begun_go_to_the_next(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    dead = pocket.last
    dead.held = []
    calls = [asyncio.ensure_future(handle.execute(str(n))) for n in range(3)]
    await asyncio.sleep(0)
    pocket.write(word="second")
    dead.die(dead.held)
    assert await asyncio.gather(*calls) == [f"second:{n}" for n in range(3)]
    assert pocket.manager.stats("one").restarts == 1
    assert "close" in dead.life


async def test_a_death_while_idle_starts_nothing_until_a_call_comes(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    pocket.last.die([])
    await asyncio.sleep(0.01)
    assert len(pocket.loader.made) == 1
    assert handle.info.health is PluginHealth.DEGRADED
    assert await handle.execute("x") == "first:x"
    assert handle.info.health is PluginHealth.HEALTHY


async def test_a_death_during_a_reload_leaves_no_call_behind(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    old = pocket.last
    pocket.write(word="second", slow=0.05)
    reloading = asyncio.ensure_future(pocket.manager.reload("one"))
    await asyncio.sleep(0.01)
    old.die([])
    call = asyncio.ensure_future(handle.execute("x"))
    assert await asyncio.wait_for(call, 5) == "second:x"
    await reloading


async def test_a_death_of_a_draining_instance_moves_its_calls(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    old = pocket.last
    old.held = []
    call = asyncio.ensure_future(handle.execute("x"))
    await asyncio.sleep(0)
    pocket.write(word="second")
    await pocket.manager.reload("one")
    held, old.held = old.held, []
    old.die(held)
    assert await asyncio.wait_for(call, 5) == "second:x"
    assert handle.info.health is PluginHealth.HEALTHY


async def test_both_instances_die(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    old = pocket.last
    old.held = []
    call = asyncio.ensure_future(handle.execute("x"))
    await asyncio.sleep(0)
    pocket.write(word="second")
    await pocket.manager.reload("one")
    pocket.last.die([])
    held, old.held = old.held, []
    old.die(held)
    assert await asyncio.wait_for(call, 5) == "second:x"


async def test_calls_for_one_that_is_starting_are_bounded(pocket):
    pocket.manager.config = replace(pocket.manager.config, max_waiting_calls=6)
    pocket.write(slow=0.05)
    handle = await pocket.manager.load("one")
    pocket.last.die([])
    calls = [asyncio.ensure_future(handle.execute(str(n))) for n in range(5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[:3] == ["first:0", "first:1", "first:2"]
    assert {type(each) for each in results[3:]} == {Overloaded}


async def test_unloading_settles_the_calls_that_wait(pocket):
    pocket.write(slow=0.2)
    handle = await pocket.manager.load("one")
    pocket.last.die([])
    call = asyncio.ensure_future(handle.execute("x"))
    await asyncio.sleep(0.02)
    await pocket.manager.unload("one")
    with pytest.raises(LoadError) as caught:
        await asyncio.wait_for(call, 5)
    assert caught.value.code == "plugin-not-loaded"


async def test_events_of_a_restart_are_in_order(pocket):
    pocket.write()
    handle = await pocket.manager.load("one")
    events = pocket.manager.subscribe(plugins=["one"])
    pocket.last.die([])
    await handle.execute("x")
    events.close()
    assert [event.kind.value async for event in events] == [
        "plugin-error",
        "plugin-health-changed",
        "plugin-state-changed",  # loading
        "plugin-state-changed",  # active
        "plugin-health-changed",
        "plugin-loaded",
    ]
