"""Many inputs over one plugin, of the asynchronous manager."""

import asyncio
import itertools
import textwrap

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout, PluginRaised, UsageError
from devkit_core.manager import PluginManager
from devkit_core.running.mapping import map_calls

MANIFEST = """
[metadata]
id = "busy"
name = "busy"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
BUSY = """
    import time

    def execute(text):
        word, _, rest = text.partition(" ")
        if word == "sleep":
            time.sleep(float(rest))
        elif word == "raise":
            raise ValueError(rest)
        return rest
"""


@pytest.fixture
async def busy(tmp_path):
    folder = tmp_path / "plugins" / "busy"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text(textwrap.dedent(BUSY))
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(PluginSystemConfig(shutdown_timeout=1), places=places, control=False) as manager:
        yield await manager.load("busy")


async def test_in_order_lazily_and_left_early(busy):
    pulled = []

    def inputs():
        for number in itertools.count():
            pulled.append(number)
            yield f"echo {number}"

    outcomes = busy.map(inputs(), in_flight=8)
    for number in range(100):
        outcome = await anext(outcomes)
        assert (outcome.position, outcome.result()) == (number, str(number))
        assert len(pulled) <= number + 1 + 8
    await outcomes.aclose()
    assert await busy.execute("echo after") == "after"


async def test_inputs_that_are_awaited_hold_up_no_outcome(busy):
    more = asyncio.Queue()

    async def inputs():
        while (text := await more.get()) is not None:
            yield text

    outcomes = busy.map(inputs())
    for text in ("one", "two"):
        more.put_nowait(f"echo {text}")
        assert (await asyncio.wait_for(anext(outcomes), 10)).value == text
    more.put_nowait(None)
    assert [each async for each in outcomes] == []


async def test_errors_are_outcomes_and_time_is_each_calls_own(busy):
    inputs = ["echo a", "raise b", 3, "echo c", "sleep 60", "echo d", *["sleep 0.05"] * 12]
    outcomes = [each async for each in busy.map(inputs, timeout=0.4)]
    assert [each.position for each in outcomes] == list(range(18))
    assert [type(each.error) for each in outcomes if not each.ok] == [PluginRaised, UsageError, CallTimeout]


async def test_as_they_come():
    """Outcomes of calls that end in another order; what begins can't is an outcome too."""
    loop = asyncio.get_running_loop()

    class Answer:
        value = "done"

    def begin(seconds):
        if seconds is None:
            raise UsageError("no")
        future = loop.create_future()
        loop.call_later(seconds, future.set_result, Answer())
        return 1, future

    async def positions(ordered):
        found = map_calls(begin, [0.2, None, 0.1, 0], lambda: 1.0, ordered=ordered, in_flight=3)
        return [each.position async for each in found]

    assert await positions(True) == [0, 1, 2, 3]
    assert await positions(False) == [1, 3, 2, 0]
    with pytest.raises(UsageError):
        [each async for each in map_calls(begin, [], lambda: 1.0, ordered=True, in_flight=0)]


async def test_an_iterator_that_fails(busy):
    def inputs():
        yield "echo a"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        [each async for each in busy.map(inputs())]
    assert await busy.execute("echo after") == "after"
