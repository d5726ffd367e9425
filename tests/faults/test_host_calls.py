"""Workers that break the rules of talking to their host: they are ended, the host and others go on."""

import asyncio
import json
import struct
import textwrap

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import ProtocolViolation
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""
#: writes its input on the channel, past everything
RAW = """
    import os
    import devkit_plugin

    def execute(data: bytes):
        while data:
            data = data[os.write(3, data):]
        return devkit_plugin.host("echo", "still here")
"""


def frame(kind, flags, call, payload):
    return struct.pack(">IBBHI", 8 + len(payload), kind, flags, 0, call) + payload


def call(number, **head):
    text = json.dumps({"name": "host.call", "function": "never", **head}).encode()
    return frame(15, 3, number, struct.pack(">H", len(text)) + text + b"null")


@pytest.fixture
async def manager(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    for id, source in (("raw", RAW), ("other", "def execute(text):\n    return text\n")):
        folder = tmp_path / "plugins" / id
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=id))
        (folder / "plugin.py").write_text(textwrap.dedent(source))
    async with PluginManager(
        PluginSystemConfig(max_payload_mb=1, shutdown_timeout=1), places=places, control=False
    ) as manager:
        manager.expose("echo", lambda value: value)
        manager.expose("never", lambda value: asyncio.Event().wait())
        yield manager


async def fails(manager, data):
    handle = await manager.load("raw")
    with pytest.raises(ProtocolViolation):
        await handle.execute(data, timeout=60)
    assert await handle.execute("", timeout=60) == "still here"
    assert await (await manager.load("other")).execute("x") == "x"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"".join(call(n) for n in range(1000, 1065)), id="too many at once"),
        pytest.param(frame(19, 0, 0, b"nonsense"), id="a line that is no JSON"),
        pytest.param(frame(16, 3, 1, b""), id="the host's own kind"),
    ],
)
async def test_a_rule_that_is_broken_ends_the_worker(manager, data):
    await fails(manager, data)


async def test_calls_that_never_become_whole_are_bounded(manager):
    head = b'{"name":"host.call","function":"echo"}'
    first = frame(15, 1, 1000, struct.pack(">H", len(head)) + head)
    handle = await manager.load("raw")
    assert await handle.execute(first + frame(15, 1, 1000, b"x" * 1_000_000)) == "still here"
    await fails(manager, frame(15, 1, 1000, b"x" * 100_000))


async def test_odd_arguments_are_answered_with_an_error(manager, caplog):
    """They are none of the protocol's business: the worker goes on, and the host logs no fault of its own."""
    handle = await manager.load("raw")
    odd = [
        call(1000, name="nothing"),
        call(1001, function=7),
        call(1002, name="store.get"),
        call(1003, name="store.set", key="a"),
        call(1004, name="store.set", key="\ud800"),
        call(1005, name="plugin.call", plugin="../../etc"),
        call(1006, name="plugin.call", plugin="other", timeout="x"),
    ]
    assert await handle.execute(b"".join(odd), timeout=60) == "still here"
    assert caplog.records == []


async def test_a_worker_that_reads_no_answers_is_held_to_a_bound(manager, tmp_path):
    """Its answers are kept up to the bound; what is beyond is refused."""
    manager.expose("large", lambda value: b"x" * (1 << 20))
    folder = tmp_path / "plugins" / "other"
    (folder / "plugin.py").write_text(
        textwrap.dedent("""
        import os, time
        import devkit_plugin

        def execute(text):
            data = bytes.fromhex(text)
            while data:
                data = data[os.write(3, data):]
            time.sleep(600)
        """)
    )
    handle = await manager.load("other")
    asked = b"".join(call(n, function="large") for n in range(1000, 1040))
    waiting = asyncio.ensure_future(handle.execute(asked.hex(), timeout=60))
    line = manager._roster.get("other").crew.members[0].instance._worker._channel
    async with asyncio.timeout(60):
        while not line.unsent:
            await asyncio.sleep(0.01)
        for _ in range(50):
            await asyncio.sleep(0.01)
            assert line.unsent <= 3 << 20
    waiting.cancel()


async def test_a_value_of_too_many_parts_never_reaches_a_function(project):
    """Parsed, it takes thirty times its length, and the event loop meanwhile."""
    called = []
    project.manager.expose("echo", called.append)
    handle = await project.load("""
        import devkit_plugin
        def execute(text):
            try:
                devkit_plugin.host("echo", [[]] * 600_000)
            except Exception as error:
                return f"{error.code}: {error}"
        """)
    said = await handle.execute("", timeout=60)
    assert said.startswith("payload-too-large: ")
    assert "1,200,000 JSON values; the limit is 1,000,000" in said
    assert called == []
