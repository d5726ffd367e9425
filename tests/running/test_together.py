"""What is done for many plugins at once keeps the order of their needs."""

import asyncio

import pytest

from devkit_core.catalog.offers import Available, Need
from devkit_core.model.versions import parse_requirement, parse_version
from devkit_core.running.together import together


def plugin(name: str, *needs: str) -> Available:
    wanted = tuple(Need(each, parse_requirement("*")) for each in needs)
    return Available(name, parse_version("1.0.0"), needs=wanted)


async def test_several_are_done_at_once_and_not_all() -> None:
    plugins = [plugin(f"p{number}") for number in range(30)]
    now = most = 0

    async def do(each: Available) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    await together(plugins, do)
    assert 1 < most < 30


async def test_each_waits_for_what_it_needs() -> None:
    done: list[str] = []

    async def do(each: Available) -> None:
        await asyncio.sleep(0.01 if each.id in ("a", "b") else 0)
        done.append(each.id)

    await together([plugin("a"), plugin("b", "a"), plugin("c", "b", "elsewhere"), plugin("d")], do)
    assert done.index("a") < done.index("b") < done.index("c")
    assert done[0] == "d"


async def test_an_error_ends_the_others_and_is_raised() -> None:
    ended: list[str] = []

    async def do(each: Available) -> None:
        if each.id == "a":
            raise KeyError(each.id)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(each.id)

    with pytest.raises(KeyError):
        await together([plugin("b"), plugin("a"), plugin("c", "b")], do)
    assert ended == ["b"]


async def test_nothing_to_do() -> None:
    async def do(each: Available) -> None:
        raise AssertionError

    await together([], do)
