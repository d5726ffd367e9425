"""Events reach everyone in order, bounded, and nobody can harm another."""

import asyncio
import json

import pytest

from devkit_core.errors import UsageError
from devkit_core.events.bus import Bus, EventFilter, EventKind, PluginEvent

LOADED, ERROR = EventKind.PLUGIN_LOADED, EventKind.PLUGIN_ERROR


@pytest.fixture
def bus() -> Bus:
    ticks = iter(range(1, 100_000))
    return Bus(clock=lambda: float(next(ticks)))


async def drain(subscription) -> list[PluginEvent]:
    subscription.close()
    return [event async for event in subscription]


async def test_everyone_gets_every_event_in_order(bus):
    heard = []
    bus.listen(heard.append)
    one, two = bus.subscribe(), bus.subscribe()
    for number in range(50):
        bus.publish(LOADED, f"p{number}", version="1.0.0")
    for events in (heard, await drain(one), await drain(two)):
        assert [event.sequence for event in events] == list(range(1, 51))
        assert [event.plugin for event in events] == [f"p{n}" for n in range(50)]
        assert [event.time for event in events] == [float(n) for n in range(1, 51)]
    assert bus.published == 50


async def test_filters(bus):
    by_plugin = bus.subscribe(plugins=["a"])
    by_kind = bus.subscribe(kinds=["plugin-error"])
    both = bus.subscribe(plugins="b", kinds=ERROR)
    heard = []
    bus.listen(heard.append, plugins=["b"])
    for plugin, kind in (("a", LOADED), ("b", LOADED), ("a", ERROR), ("b", ERROR), (None, EventKind.SYSTEM)):
        bus.publish(kind, plugin)
    assert [e.sequence for e in await drain(by_plugin)] == [1, 3]
    assert [e.sequence for e in await drain(by_kind)] == [3, 4]
    assert [e.sequence for e in await drain(both)] == [4]
    assert [e.sequence for e in heard] == [2, 4]
    assert [e.sequence for e in bus.recent(EventFilter.of(["a"]))] == [1, 3]


@pytest.mark.parametrize("wrong", ["plugin-loadedd", "", "nonsense", "x" * 1000])
def test_an_unknown_kind_is_refused_with_the_nearest(bus, wrong):
    with pytest.raises(UsageError) as caught:
        bus.subscribe(kinds=[wrong])
    assert caught.value.code == "event-kind-unknown"
    assert caught.value.hint
    if wrong.startswith("plugin"):
        assert "plugin-loaded" in caught.value.hint


async def test_a_slow_subscriber_is_told_what_it_missed(bus):
    slow = bus.subscribe(size=3, kinds=[LOADED])
    for number in range(10):
        bus.publish(LOADED, str(number))
    gap = await anext(slow)
    assert gap.kind is EventKind.EVENTS_MISSED
    assert gap.data == {"missed": 7, "first": 1, "last": 7}
    assert [(await anext(slow)).sequence for _ in range(3)] == [8, 9, 10]
    bus.publish(LOADED, "after")
    assert [event.sequence for event in await drain(slow)] == [11]
    assert slow.missed == 7


async def test_one_lost_event_is_a_gap_too(bus):
    slow = bus.subscribe(size=1)
    bus.publish(LOADED, "a")
    bus.publish(LOADED, "b")
    gap, kept = await drain(slow)
    assert gap.data == {"missed": 1, "first": 1, "last": 1}
    assert kept.plugin == "b"


async def test_a_slow_subscriber_does_not_hold_the_others_up(bus):
    slow, quick = bus.subscribe(size=1), bus.subscribe()
    for number in range(100):
        bus.publish(LOADED, str(number))
    assert len(await drain(quick)) == 100
    assert len(await drain(slow)) == 2


def test_a_listener_that_raises_is_logged_and_harms_no_one(bus, caplog):
    heard = []

    def broken(event: PluginEvent) -> None:
        raise RuntimeError("broken listener")

    bus.listen(broken)
    bus.listen(heard.append)
    bus.publish(LOADED, "a")
    bus.publish(LOADED, "b")
    assert [event.plugin for event in heard] == ["a", "b"]
    assert "broken listener" in caplog.text


def test_events_that_a_listener_causes_come_after_the_first(bus):
    heard: list[str] = []

    def causes(event: PluginEvent) -> None:
        if event.plugin == "first":
            bus.publish(LOADED, "second")

    bus.listen(causes)
    bus.listen(lambda event: heard.append(event.plugin))
    bus.publish(LOADED, "first")
    assert heard == ["first", "second"]


def test_a_listener_can_be_stopped_from_within(bus):
    heard = []

    def once(event: PluginEvent) -> None:
        heard.append(event)
        stop()

    stop = bus.listen(once)
    bus.publish(LOADED, "a")
    bus.publish(LOADED, "b")
    stop()
    assert len(heard) == 1


async def test_waiting_for_an_event(bus):
    with bus.subscribe() as subscription:
        waiting = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        assert not waiting.done()
        bus.publish(LOADED, "a")
        assert (await waiting).plugin == "a"


async def test_the_end_hands_out_what_came_before(bus):
    subscription = bus.subscribe()
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    bus.publish(LOADED, "a")
    bus.publish(LOADED, "b")
    bus.close()
    assert (await waiting).plugin == "a"
    assert [event.plugin async for event in subscription] == ["b"]
    assert [event async for event in bus.subscribe()] == []
    bus.publish(LOADED, "nobody listens")


async def test_a_subscription_that_is_closed_holds_nothing(bus):
    with bus.subscribe() as subscription:
        pass
    bus.publish(LOADED, "a")
    assert [event async for event in subscription] == []


def test_recent_is_bounded():
    bus = Bus(keep=5)
    for number in range(20):
        bus.publish(LOADED, str(number))
    assert [event.plugin for event in bus.recent()] == ["15", "16", "17", "18", "19"]


def test_as_data(bus):
    bus.publish(ERROR, "a", code="load-failed", message="no", path=None, line=None)
    (event,) = bus.recent()
    data = json.loads(json.dumps(event.as_dict()))
    assert data == {
        "sequence": 1,
        "time": 1.0,
        "kind": "plugin-error",
        "plugin": "a",
        "data": {"code": "load-failed", "message": "no", "path": None, "line": None},
    }
