"""A handle takes text and bytes within bounds, and refuses the rest with a typed error."""

import asyncio

import pytest

from devkit_core.errors import DevKitError, FunctionMissing, PayloadTooLarge, PluginRaised, UsageError
from devkit_core.loading.call import Result


@pytest.fixture
async def handle(pocket):
    pocket.write()
    return await pocket.manager.load("one")


@pytest.mark.parametrize("given", ["text", b"text", bytearray(b"text"), memoryview(b"text")])
async def test_inputs(handle, given):
    assert await handle.execute(given) == "first:text"


class Text(str):
    __slots__ = ()


async def test_a_kind_of_text(handle):
    assert await handle.execute(Text("text")) == "first:text"


@pytest.mark.parametrize("given", [None, 5, ["a"], {"a": 1}, "\ud800", Text("\ud800")])
async def test_what_is_no_input(handle, given):
    for call in (handle.execute(given), handle.call("execute", given), anext(handle.stream(given))):
        with pytest.raises(UsageError) as caught:
            await call
        assert caught.value.plugin == "one"


@pytest.mark.parametrize("given", ["x" * ((1 << 20) + 1), b"x" * ((1 << 20) + 1), "Ω" * (1 << 20)])
async def test_what_is_too_large(handle, given):
    with pytest.raises(PayloadTooLarge):
        await handle.execute(given)
    with pytest.raises(PayloadTooLarge):
        await anext(handle.stream(given))
    assert len(await handle.execute("x" * (1 << 20))) == (1 << 20) + 6


@pytest.mark.parametrize("given", ["soon", 0, -1, float("nan"), float("inf")])
async def test_what_is_no_time_limit(handle, given):
    for call in (
        handle.execute("x", given),
        handle.call("execute", "x", given),
        anext(handle.stream("x", given)),
    ):
        with pytest.raises(UsageError, match="timeout"):
            await call
    with pytest.raises(UsageError, match="timeout"):
        handle.map(["x"], timeout=given)


async def test_functions_that_are_not_there(handle):
    with pytest.raises(FunctionMissing) as caught:
        await handle.call("absent", "1")
    assert "execute" in caught.value.hint


async def test_a_stream_of_one_answer(handle):
    assert [item async for item in handle.stream("x")] == ["first:x"]
    with pytest.raises(DevKitError):
        await anext(handle.stream("raise"))


async def test_its_names(pocket, handle):
    assert (handle.id, handle.name, handle.version, handle.pid) == ("one", "one", "1.0.0", None)
    assert repr(handle) == "<PluginHandle one active>"
    await pocket.manager.unload("one")
    assert repr(handle) == "<PluginHandle one stopped>"


async def test_a_caller_that_gives_up(pocket, handle):
    pocket.last.held = []
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(handle.execute("x"), 0.01)
    assert pocket.manager.stats("one").errors == {"cancelled": 1}


async def test_another_event_loop_is_told_so(handle):
    async def call() -> None:
        for wanted in (
            handle.execute("x"),
            handle.call("execute", "x"),
            anext(handle.stream("x")),
        ):
            with pytest.raises(UsageError) as caught:
                await wanted
            assert caught.value.code == "wrong-event-loop"
        outcomes = [outcome async for outcome in handle.map(["x", "y"])]
        assert [outcome.error.code for outcome in outcomes] == ["wrong-event-loop"] * 2

    await asyncio.to_thread(asyncio.run, call())
    assert await handle.execute("still") == "first:still"


async def test_a_call_that_an_instance_answers_at_once_is_counted_and_not_submitted(handle, pocket):
    [member] = handle.supervisor.crew.members

    def attempt(function, data, text, seconds):
        if data == b"raise":
            raise PluginRaised("raised at once")
        return None if data == b"later" else Result(b"at once:" + data, text)

    member.instance.attempt = attempt
    handle.supervisor.attempt = handle.supervisor.crew.attempt
    assert await handle.execute("x") == "at once:x"
    assert await handle.execute(b"x") == b"at once:x"
    assert await handle.execute("later") == "first:later"
    with pytest.raises(PluginRaised, match="at once"):
        await handle.execute("raise")
    stats = pocket.manager.stats("one")
    assert (stats.calls, stats.errors, stats.bytes_in) == (4, {"plugin-raised": 1}, 12)


async def test_what_answered_at_once_is_asked_no_more_after_a_reload(handle, pocket):
    [member] = handle.supervisor.crew.members
    member.instance.attempt = lambda function, data, text, seconds: Result(b"old", True)
    handle.supervisor.attempt = handle.supervisor.crew.attempt
    assert await handle.execute("x") == "old"
    await pocket.manager.reload("one")
    assert await handle.execute("x") == "first:x"
