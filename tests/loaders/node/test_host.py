"""What JavaScript plugins ask of their host and tell it, and inputs that they take in pieces."""

import asyncio

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError, PluginRaised
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "{id}"
name = "A test"
version = "1.0.0"
description = "A test"
author = "DevKit"
entry_point = "plugin.{kind}"
"""
CALLS = '[permissions]\npermissions = ["plugin:call"]\n'


class Host:
    def __init__(self, folder, manager):
        self.folder = folder
        self.manager = manager

    async def load(self, source, id="plugin", more="", kind="mjs"):
        folder = self.folder / "plugins" / id
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=id, kind=kind) + more)
        (folder / f"plugin.{kind}").write_text(source)
        self.manager.discover()
        return await self.manager.load(id)


@pytest.fixture
async def host(node, tmp_path, cache):
    places = Places.under(tmp_path / "home", project=tmp_path)
    config = PluginSystemConfig(default_permissions=["plugin:call"], initialize_timeout=60)
    async with PluginManager(config, places=places, control=False) as manager:
        yield Host(tmp_path, manager)


async def test_log_events_and_progress(host):
    seen = []
    host.manager.listen(seen.append, kinds=["plugin-event", "plugin-progress"])
    handle = await host.load("""
        export function execute (input, context) {
          context.log.warning('odd', { line: 3 })
          context.log.info('\\ud800', { big: { toJSON () { throw new Error('no') } } })
          context.event('counted', { words: 2 })
          context.progress(1, 2, 'half')
          return input
        }
    """)
    assert await handle.execute("x") == "x"
    lines = host.manager.logs.lines("plugin")
    assert [(line.level, line.text, dict(line.fields)) for line in lines] == [
        ("warning", "odd", {"line": 3}),
        ("info", "\ufffd", {}),
    ]
    assert [dict(event.data) for event in seen] == [
        {"name": "counted", "data": {"words": 2}},
        {"done": 1, "total": 2, "message": "half"},
    ]


async def test_values_are_kept(host):
    handle = await host.load("""
        export async function execute (input, { store }) {
          const before = await store.get('n', 0)
          await store.set('n', before + 1)
          await store.set('x/1', { deep: [null, 'ż'] })
          const gone = [await store.delete('x/2'), await store.get('x/2')]
          const kept = [await store.get('x/1'), await store.keys(), await store.keys('x')]
          return JSON.stringify([before, ...kept, gone])
        }
    """)
    assert await handle.execute("") == '[0,{"deep":[null,"ż"]},["n","x/1"],["x/1"],[false,null]]'
    assert (await handle.execute("")).startswith("[1,")


async def test_other_plugins_and_functions_of_the_host(host):
    host.manager.expose("double", lambda value: value * 2)
    await host.load("def execute(text):\n    return text[::-1]\n", "other", kind="py")
    handle = await host.load(
        """
        export async function execute (input, context) {
          const many = await Promise.all(Array.from({ length: 200 }, (_, n) => context.host('double', n)))
          const bytes = await context.host('double', Buffer.from('ab'))
          return [await context.call('other', input), many.at(-1), bytes.toString()].join(' ')
        }
        """,
        more=CALLS,
    )
    assert await handle.execute("abc") == "cba 398 abab"
    large = "x" * (3 << 20) + "y"
    assert (await handle.execute(large)).split()[0] == large[::-1]


async def test_errors_have_codes(host):
    def closed(value):
        raise DevKitError("not today", code="closed", hint="come back")

    host.manager.expose("closed", closed)
    handle = await host.load("""
        export const execute = async (input, context) => {
          try {
            return await (input === 'call' ? context.call('other', '') : context.host(input))
          } catch (error) {
            return [error.name, error.code, error.hint].join(' ')
          }
        }
    """)
    assert await handle.execute("closed") == "HostError closed come back"
    assert (await handle.execute("none")).startswith("HostError host-function-missing")
    assert (await handle.execute("call")).startswith("HostError permission-denied")
    assert handle.pid


async def test_plugins_never_wait_for_each_other(host):
    back = "exports.execute = (input, context) => context.call('{}', input).catch((error) => error.code)\n"
    await host.load(back.format("plugin"), "other", CALLS, "cjs")
    handle = await host.load(back.format("other"), more=CALLS, kind="cjs")
    assert await handle.execute("x", timeout=60) == "call-cycle"


async def test_what_makes_no_sense_is_the_plugins_own_error(host):
    handle = await host.load("""
        export function execute (input, context) {
          if (input === 'event') context.event('No Name')
          context.progress(NaN)
        }
    """)
    for odd in ("event", "progress"):
        with pytest.raises(PluginRaised):
            await handle.execute(odd)


async def test_settings_are_live(host):
    more = '[config.color]\ntype = "string"\ndefault = "red"\n'
    handle = await host.load("export const execute = (input, context) => context.config.color", more=more)
    pid = handle.pid
    assert await handle.execute("") == "red"
    await host.manager.configure("plugin", {"color": "blue"})
    assert await handle.execute("") == "blue"
    assert handle.pid == pid


async def test_it_may_ask_while_it_starts(host):
    told = []
    host.manager.expose("tell", told.append)
    await host.load("""
        export async function initialize (config, context) { await context.host('tell', 'started') }
        export function execute (input) { return input }
    """)
    assert told == ["started"]


async def test_a_cancelled_call_gives_up_what_it_asked(host):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(value):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    host.manager.expose("forever", forever)
    handle = await host.load(
        "export const execute = async (input, context) => input || context.host('forever')"
    )
    call = asyncio.ensure_future(handle.execute(""))
    async with asyncio.timeout(60):
        await begun.wait()
        call.cancel()
        await ended.wait()
    assert await handle.execute("x") == "x"


# -- inputs in pieces

ECHO = """
export const input = 'text-pieces'
export async function * execute (pieces) {
  for await (const piece of pieces) yield piece.toUpperCase()
}
"""


async def test_pieces_are_read_as_they_come(host):
    handle = await host.load(ECHO)
    assert handle.takes_pieces
    answered = asyncio.Event()
    answered.set()

    async def questions():
        for each in range(20):
            await answered.wait()
            answered.clear()
            yield f"ż{each}"

    found = []
    async for item in handle.stream(questions(), timeout=60):
        found.append(item)
        answered.set()
    assert found == [f"Ż{each}" for each in range(20)]
    assert await handle.execute("whole") == "WHOLE"


async def test_much_goes_through_with_little_memory(host):
    handle = await host.load(ECHO)
    given = taken = most = 0

    def pieces():
        nonlocal given, most
        for _ in range(300):
            given += 65536
            most = max(most, given - taken)
            yield "x" * 65536

    async for item in handle.stream(pieces(), timeout=300):
        taken += len(item)
    assert taken == given == 300 * 65536
    assert most < 8 << 20


async def test_bytes_in_pieces(host):
    handle = await host.load("""
        export const input = 'bytes-pieces'
        export async function execute (pieces) {
          const all = []
          for await (const piece of pieces) all.push(piece)
          return Buffer.concat(all)
        }
    """)
    large = bytes(range(256)) * 8000
    assert await handle.execute(iter([b"\xff", large, "a"])) == b"\xff" + large + b"a"
    assert await handle.execute(b"\xfe") == b"\xfe"


async def test_text_that_is_none(host):
    handle = await host.load(ECHO)
    with pytest.raises(DevKitError) as caught:
        await handle.execute(iter([b"\xff"]), timeout=60)
    assert caught.value.code == "input-not-text"
    assert await handle.execute(iter(["b"]), timeout=60) == "B"


async def test_leaving_early_and_having_enough(host):
    handle = await host.load(ECHO)

    async def endless():
        while True:
            yield "a"

    stream = handle.stream(endless(), timeout=60)
    assert await anext(stream) == "A"
    await stream.aclose()
    assert await handle.execute(iter(["b"]), timeout=60) == "B"
    first = await host.load(
        """
        export const input = 'text-pieces'
        export async function execute (pieces) { for await (const piece of pieces) return piece }
        """,
        "first",
    )
    assert await first.execute(endless(), timeout=60) == "a"
    assert await first.execute(iter("bc"), timeout=60) == "b"
