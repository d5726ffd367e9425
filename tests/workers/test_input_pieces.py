"""Inputs that a host sends piece by piece, by real workers."""

import asyncio
import textwrap

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout, DevKitError, PayloadTooLarge, WorkerCrashed
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "subject"
name = "subject"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""


@pytest.fixture
async def load(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:

        async def load(source):
            folder = tmp_path / "plugins" / "subject"
            folder.mkdir(parents=True)
            (folder / "plugin.toml").write_text(MANIFEST)
            (folder / "plugin.py").write_text("from collections.abc import *\n" + textwrap.dedent(source))
            return await manager.load("subject")

        yield load


COUNT = """
def execute(pieces: {}) -> str:
    found = list(pieces)
    return f"{{len(found)}} {{found[:3]!r}}"
"""


@pytest.mark.parametrize(
    "annotation", ["Iterator[str]", "Iterable[str]", "'Iterator[str]'", "'collections.abc.Iterable[str]'"]
)
async def test_texts_by_annotation(load, annotation):
    handle = await load(COUNT.format(annotation))
    assert handle.takes_pieces
    assert await handle.execute(iter(["a", "żółw", ""])) == "3 ['a', 'żółw', '']"
    assert await handle.execute(iter([])) == "0 []"
    assert await handle.execute("whole") == "1 ['whole']"


async def test_bytes_by_annotation(load):
    handle = await load(COUNT.format("Iterator[bytes]"))
    assert await handle.execute(iter([b"\xff", "a"])) == r"2 [b'\xff', b'a']"
    assert await handle.execute(b"\xff") == r"1 [b'\xff']"


async def test_a_method_takes_pieces_too(load):
    handle = await load("""
        class Plugin:
            def run(self, pieces: Iterator[str]) -> str:
                return "-".join(pieces)
        execute = Plugin().run
    """)
    assert await handle.execute(iter("abc")) == "a-b-c"


async def test_others_get_the_whole(load):
    handle = await load("def execute(text):\n    return text[::-1]\n")
    assert not handle.takes_pieces

    async def source():
        yield "ab"
        yield "c"

    assert await handle.execute(source()) == "cba"
    assert [item async for item in handle.stream(iter(["x", "y"]))] == ["yx"]


ECHO = """
def execute(pieces: Iterator[str]) -> Iterator[str]:
    for each in pieces:
        yield each.upper()
"""
ASYNC_ECHO = """
async def execute(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    async for each in pieces:
        yield each.upper()
"""


@pytest.mark.parametrize("source", [ECHO, ASYNC_ECHO], ids=["plain", "async"])
async def test_pieces_are_read_as_they_come(load, source):
    """Each piece is sent only when the answer to the one before is here."""
    handle = await load(source)
    answered = asyncio.Event()
    answered.set()

    async def questions():
        for each in range(50):
            await answered.wait()
            answered.clear()
            yield f"n{each}"

    found = []
    async for item in handle.stream(questions(), timeout=60):
        found.append(item)
        answered.set()
    assert found == [f"N{each}" for each in range(50)]


@pytest.mark.parametrize("source", [ECHO, ASYNC_ECHO], ids=["plain", "async"])
async def test_much_goes_through_with_little_memory(load, source):
    handle = await load(source)
    given = taken = most = 0

    def pieces():
        nonlocal given, most
        for _ in range(600):
            given += 65536
            most = max(most, given - taken)
            yield "x" * 65536

    async for item in handle.stream(pieces(), timeout=300):
        taken += len(item)
    assert taken == given == 600 * 65536
    assert most < 8 << 20


async def test_a_piece_may_take_several_frames(load):
    handle = await load("def execute(pieces: Iterator[bytes]) -> bytes:\n    return b'|'.join(pieces)\n")
    large = bytes(range(256)) * 12_000
    assert await handle.execute(iter([large, b"y", large])) == large + b"|y|" + large


async def test_a_plugin_that_has_enough_ends_the_source(load):
    handle = await load("""
        def execute(pieces: Iterator[str]) -> str:
            return next(pieces) + next(pieces)
    """)
    ended = asyncio.Event()

    async def endless():
        try:
            while True:
                yield "ab"
                await asyncio.sleep(0)
        finally:
            ended.set()

    assert await handle.execute(endless(), timeout=60) == "abab"
    assert ended.is_set()
    assert await handle.execute(iter("xyz")) == "xy"


async def test_a_plugin_that_is_slow_holds_the_source_up(load):
    handle = await load("""
        import os
        def execute(pieces: Iterator[str]) -> str:
            while not os.path.exists(os.environ["TMPDIR"] + "/never"):
                import time; time.sleep(0.1)
    """)
    given = 0

    def pieces():
        nonlocal given
        while True:
            given += 1
            yield "x" * 65536

    with pytest.raises(CallTimeout):
        await handle.execute(pieces(), timeout=1)
    assert given < 64


async def test_what_the_source_raises_ends_the_call(load):
    handle = await load(ECHO)
    pid = handle.pid

    def broken():
        yield "a"
        raise LookupError("nothing left")

    with pytest.raises(LookupError, match="nothing left"):
        await handle.execute(broken(), timeout=60)
    assert await handle.execute(iter(["b"]), timeout=60) == "B"
    assert handle.pid == pid


async def test_leaving_early_cancels_the_call(load):
    handle = await load(ECHO)
    pid = handle.pid

    async def endless():
        while True:
            yield "a"

    stream = handle.stream(endless(), timeout=60)
    assert await anext(stream) == "A"
    await stream.aclose()
    assert await handle.execute(iter(["b"]), timeout=60) == "B"
    assert handle.pid == pid


async def test_what_the_plugin_raises_is_raised(load):
    handle = await load("def execute(pieces: Iterator[str]) -> str:\n    raise ValueError(next(pieces))\n")
    with pytest.raises(DevKitError, match="ValueError: a"):
        await handle.execute(iter("abc"), timeout=60)


async def test_text_that_is_none(load):
    handle = await load(COUNT.format("Iterator[str]"))
    with pytest.raises(DevKitError) as caught:
        await handle.execute(iter([b"\xff"]))
    assert caught.value.code == "input-not-text"


async def test_calls_behind_it_are_kept(load):
    handle = await load("""
        def execute(pieces: Iterator[str]) -> str:
            return ",".join(pieces)
    """)
    go = asyncio.Event()

    async def held(word):
        yield word
        await go.wait()
        yield word

    calls = [asyncio.ensure_future(handle.execute(held(str(n)), timeout=60)) for n in range(5)]
    whole = [asyncio.ensure_future(handle.execute(f"whole {n}", timeout=60)) for n in range(5)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*calls) == [f"{n},{n}" for n in range(5)]
    assert await asyncio.gather(*whole) == [f"whole {n}" for n in range(5)]


async def test_an_async_plugin_takes_many_at_once(load):
    handle = await load(ASYNC_ECHO)
    calls = [handle.execute(iter([f"{n}a", "b"]), timeout=60) for n in range(40)]
    assert await asyncio.gather(*calls) == [f"{n}AB" for n in range(40)]


async def test_a_worker_that_dies_fails_the_call(load):
    handle = await load("""
        import os
        def execute(pieces: Iterator[str]) -> str:
            for each in pieces:
                if each == "die":
                    os.kill(os.getpid(), 9)
            return each
    """)

    def pieces():
        yield "a"
        yield "die"
        while True:
            yield "b"

    with pytest.raises(WorkerCrashed):
        await handle.execute(pieces(), timeout=60)
    assert await handle.execute(iter("xy"), timeout=60) == "y"


async def test_a_plugin_that_rests_is_started_for_it(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    folder = tmp_path / "plugins" / "subject"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST + '[runtime]\nactivation = "on-demand"\n')
    (folder / "plugin.py").write_text(
        "from collections.abc import Iterator\n" + COUNT.format("Iterator[str]")
    )
    async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:
        await manager.scan_and_load_plugins()
        handle = manager.handle("subject")
        assert handle.pid is None
        assert await handle.execute(iter(["a", "b"]), timeout=60) == "2 ['a', 'b']"


async def test_what_is_too_much_for_one_input_is_refused(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    folder = tmp_path / "plugins" / "subject"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST)
    (folder / "plugin.py").write_text("def execute(text):\n    return text\n")
    async with PluginManager(PluginSystemConfig(max_payload_mb=1), places=places, control=False) as manager:
        handle = await manager.load("subject")
        with pytest.raises(PayloadTooLarge):
            await handle.execute("x" * 65536 for _ in range(17))
