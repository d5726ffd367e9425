"""What modules ask of their host and tell it."""

import asyncio
import json
import threading

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout, DevKitError, PluginRaised
from devkit_core.manager import PluginManager
from devkit_loader_wasm import crossing

from .conftest import ECHO, MANIFEST, plain

IMPORTS = """
  (import "devkit" "host_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "devkit" "host_answer" (func $answer (param i32 i32) (result i32)))
  (import "devkit" "event" (func $event (param i32 i32 i32 i32)))
  (import "devkit" "progress" (func $progress (param f64 f64 i32 i32)))
  (import "devkit" "log_at" (func $log (param i32 i32 i32)))
"""
#: calls the host by the first line of the input, with the rest of it, and answers with the answer
ASKS = plain(
    """(local $n i32) (local $got i32)
  (loop $next
    (if (i32.ne (i32.load8_u (i32.add (local.get $at) (local.get $n))) (i32.const 10))
      (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $next))))
  (local.set $got
    (call $call (local.get $at) (local.get $n)
      (i32.add (i32.add (local.get $at) (local.get $n)) (i32.const 1))
      (i32.sub (i32.sub (local.get $size) (local.get $n)) (i32.const 1))))
  (drop (call $answer (i32.const 65536) (i32.and (local.get $got) (i32.const 0x7fffffff))))
  (i64.or (i64.shl (i64.const 65536) (i64.const 32)) (i64.extend_i32_u (local.get $got)))""",
    IMPORTS,
    "40",
)
OTHER = MANIFEST.replace('"module"', '"{id}"', 1)


def tells(call: str) -> str:
    """Return a module that does this with its input, and echoes it."""
    return plain(f"{call} {ECHO}", IMPORTS)


class Host:
    def __init__(self, root, manager):
        self.root = root
        self.manager = manager

    async def load(self, text, id="module", more=""):
        folder = self.root / "plugins" / id
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(OTHER.replace("{id}", id) + more)
        (folder / "module.wat").write_text(text)
        self.manager.discover()
        return await self.manager.load(id)

    def messages(self, id="module"):
        return [(each.level, each.text) for each in self.manager.logs.lines(id) if each.stream == "log"]


@pytest.fixture
async def host(tmp_path):
    config = PluginSystemConfig(
        default_permissions=["plugin:call"],
        initialize_timeout=60,
        shutdown_timeout=1,
        memory_limit_mb=64,
        max_payload_mb=1,
    )
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(config, places=places, control=False) as manager:
        yield Host(tmp_path, manager)


@pytest.fixture(params=["fibres", "functions"])
def way(request, monkeypatch):
    """Run by wasmtime's C interface, and by its Python one."""
    if request.param == "functions":
        monkeypatch.setattr(crossing, "self_check", lambda: "a test wants it so")


CALLS = '\n[permissions]\npermissions = ["plugin:call"]\n'


# -- calls


@pytest.mark.usefixtures("way")
async def test_values_are_kept(host):
    handle = await host.load(ASKS)
    assert await handle.execute("store.get a key\n") == ""
    assert await handle.execute('store.set a key\n{"n": 1}') == ""
    assert await handle.execute("store.get a key\n") == '{"n": 1}'
    assert await handle.execute("store.keys a\n") == '["a key"]'
    assert await handle.execute("store.delete a key\n") == "true"
    with pytest.raises(PluginRaised, match="host-call-invalid: the value is no JSON"):
        await handle.execute("store.set x\nno json")


async def test_functions_of_the_host(host):
    handle = await host.load(ASKS)

    async def later(value):
        await asyncio.sleep(0)
        return value

    host.manager.expose("twice", lambda value: value * 2)
    host.manager.expose("later", later)
    host.manager.expose("large", lambda value: b"x" * value)
    host.manager.expose("kept", later, permission="secret")
    assert await handle.execute("host.call twice\n21") == "42"
    assert await handle.execute("host.bytes twice\nab") == "abab"
    assert await handle.execute("host.call later\n") == "null"
    assert len(await handle.execute("host.call large\n1000000")) == 1_000_000
    for asked, code in {
        "host.call large\n2000000": "payload-too-large",
        "host.call kept\n1": "permission-denied",
        "host.call twice\n{}": "host-function-failed",
        "host.call\n": "host-function-missing",
        "no.call\n": "host-call-unknown",
        "\n": "host-call-unknown",
    }.items():
        with pytest.raises(PluginRaised, match=f"^{code}: "):
            await handle.execute(asked)
    assert await handle.execute("host.call twice\n21") == "42"


@pytest.mark.usefixtures("way")
async def test_other_plugins_are_called_where_that_was_granted(host):
    handle = await host.load(ASKS, more=CALLS)
    refused = await host.load(ASKS, "refused")
    await host.load(plain(ECHO), "other")
    assert await handle.execute("plugin.call other\nword") == "word"
    assert await handle.execute(b"plugin.call other execute\n\xff\0") == b"\xff\0"
    with pytest.raises(PluginRaised, match="permission-denied"):
        await refused.execute("plugin.call other\nword")
    with pytest.raises(PluginRaised, match="plugin-not-loaded"):
        await handle.execute("plugin.call nobody\n")
    with pytest.raises(PluginRaised, match="function-missing"):
        await handle.execute("plugin.call other nothing\n")


@pytest.mark.usefixtures("way")
async def test_plugins_never_wait_for_each_other(host):
    first = await host.load(ASKS, "first", CALLS)
    await host.load(ASKS, "second", CALLS)
    with pytest.raises(PluginRaised, match="call-cycle: first → second → first"):
        await first.execute("plugin.call second\nplugin.call first\nx")
    with pytest.raises(PluginRaised, match="call-cycle"):
        await first.execute("plugin.call first\nstore.keys\n")


@pytest.mark.usefixtures("way")
async def test_a_call_to_the_host_ends_with_the_one_that_made_it(host):
    handle = await host.load(ASKS)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(value):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    host.manager.expose("endless", endless)
    with pytest.raises(CallTimeout):
        await handle.execute("host.call endless\n", timeout=0.2)
    await asyncio.wait_for(ended.wait(), 60)
    assert await handle.execute("store.keys\n") == "[]"

    begun.clear()
    ended.clear()
    running = asyncio.ensure_future(handle.execute("host.call endless\n", timeout=600))
    await asyncio.wait_for(begun.wait(), 60)
    running.cancel()
    await asyncio.wait_for(ended.wait(), 60)
    assert await handle.execute("store.keys\n") == "[]"

    begun.clear()
    ended.clear()
    running = asyncio.ensure_future(handle.execute("host.call endless\n", timeout=600))
    await asyncio.wait_for(begun.wait(), 60)
    await host.manager.unload("module")
    await asyncio.wait_for(ended.wait(), 60)
    with pytest.raises(DevKitError):
        await running


async def test_the_event_loop_goes_on_while_a_module_waits(host):
    handle = await host.load(ASKS)
    gate = asyncio.Event()

    async def wait(value):
        await gate.wait()
        return "opened"

    host.manager.expose("wait", wait)
    running = asyncio.ensure_future(handle.execute("host.call wait\n", timeout=600))
    asyncio.get_running_loop().call_later(0.05, gate.set)
    assert await running == '"opened"'


async def test_settings_can_be_asked_for(host):
    more = '\n[config]\nsize = { type = "integer", default = 3 }\n'
    handle = await host.load(ASKS, more=more)
    assert json.loads(await handle.execute("config\n")) == {"size": 3}
    await host.manager.configure("module", {"size": 4})
    assert json.loads(await handle.execute("config\n")) == {"size": 4}


async def test_the_host_can_be_asked_while_the_module_initializes(host):
    text = ASKS.replace(
        "(func $execute",
        """(data (i32.const 16) "store.set begun1")
  (func (export "devkit_initialize") (result i64)
    (i64.extend_i32_u (call $call (i32.const 16) (i32.const 15) (i32.const 31) (i32.const 1))))
  (func $execute""",
    )
    handle = await host.load(text)
    assert await handle.execute("store.get begun\n") == "1"


async def test_a_command_asks_too(host):
    text = """(module
  (import "devkit" "host_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1) (data (i32.const 16) "store.set run1")
  (func (export "_start")
    (call $exit (call $call (i32.const 16) (i32.const 13) (i32.const 29) (i32.const 1)))))"""
    handle = await host.load(text)
    assert await handle.execute("") == ""
    other = await host.load(ASKS, "other")
    assert await other.execute("store.keys\n") == "[]"


# -- what needs no answer


@pytest.mark.usefixtures("way")
async def test_lines_events_and_progress(host):
    seen = []
    host.manager.listen(seen.append, kinds=["plugin-event", "plugin-progress"])
    text = tells("""
  (call $log (i32.const 3) (i32.const 16) (i32.const 4))
  (call $log (i32.const 99) (i32.const 16) (i32.const 4))
  (call $log (i32.const -1) (i32.const 16) (i32.const 4))
  (call $event (i32.const 16) (i32.const 4) (i32.const 20) (i32.const 7))
  (call $event (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0))
  (call $progress (f64.const 1) (f64.const 4) (i32.const 16) (i32.const 4))""")
    handle = await host.load(
        text.replace("(memory (export", '(data (i32.const 16) "done{\\"n\\":1}") (memory (export')
    )
    assert await handle.execute("x") == "x"
    assert [(each.kind, each.data) for each in seen] == [
        ("plugin-event", {"name": "done", "data": {"n": 1}}),
        ("plugin-event", {"name": "done", "data": {}}),
        ("plugin-progress", {"done": 1.0, "total": 4.0, "message": "done"}),
    ]
    assert host.messages() == [("error", "done"), ("error", "done"), ("debug", "done")]


async def test_what_only_tells_needs_no_thread(host):
    event = '(import "devkit" "event" (func $event (param i32 i32 i32 i32)))'
    told = "(call $event (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0))"
    handle = await host.load(plain(f"{told} {ECHO}", event))
    before = threading.active_count()
    for _ in range(50):
        assert await handle.execute("x") == "x"
    assert threading.active_count() <= before + 1  # the clock's


MEANINGLESS = {
    "call $event (i32.const 16) (i32.const 4) (local.get $at) (local.get $size)": "no JSON",
    "call $event (local.get $at) (i32.const 1) (i32.const 0) (i32.const 0)": "without its name",
    "call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)": "without its name",
    "call $event (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 65537)": "65,537 bytes",
    "call $progress (f64.const nan) (f64.const 1) (i32.const 0) (i32.const 0)": "not JSON compliant",
    "call $progress (f64.const -1) (f64.const 1) (i32.const 0) (i32.const 0)": "without its numbers",
    "call $progress (f64.const 1) (f64.const inf) (i32.const 0) (i32.const 0)": "not JSON compliant",
}


async def test_what_has_no_meaning_is_left_out(host):
    body = "".join(f"({what})" for what in MEANINGLESS)
    handle = await host.load(plain(body + ECHO, IMPORTS, "2"))
    deep = "[" * 50_000
    assert await handle.execute(deep) == deep
    assert [level for level, _ in host.messages()] == ["warning"] * len(MEANINGLESS)
    for (_, line), why in zip(host.messages(), MEANINGLESS.values(), strict=True):
        assert line.startswith("[left out: ")
        assert why in line


async def test_a_flood_is_bounded(host):
    seen = []
    host.manager.listen(seen.append, kinds=["plugin-event"])
    loop = """(local $n i32) (i32.store8 (i32.const 16) (i32.const 97))
  (loop $next
    (call $event (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 0))
    (br_if $next (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))"""
    handle = await host.load(tells(loop))
    await handle.execute("x", timeout=600)
    await asyncio.sleep(0)
    assert 4096 <= len(seen) < 20_000


# -- hostile modules

FAR = "(i32.const 65533) (i32.const 4)"
NEAR = "(i32.const 16) (i32.const 4)"
WRAPS = "(i32.const -1) (i32.const -1)"


HOSTILE = [
    f"(call $event {FAR} {NEAR})",
    f"(call $event {NEAR} {FAR})",
    f"(call $event {NEAR} {WRAPS})",
    f"(call $progress (f64.const 1) (f64.const 1) {FAR})",
    f"(call $log (i32.const 1) {FAR})",
    f"(drop (call $call {FAR} {NEAR}))",
    f"(drop (call $call {NEAR} {FAR}))",
    f"(drop (call $call {WRAPS} {WRAPS}))",
    "(drop (call $answer (i32.const 65537) (i32.const 4)))",
    f"(drop (call $answer {WRAPS}))",
]


@pytest.mark.usefixtures("way")
async def test_places_outside_its_memory_end_the_module_alone(host):
    sizes = enumerate(HOSTILE, 1)
    body = "".join(f"(if (i32.eq (local.get $size) (i32.const {n})) (then {what}))" for n, what in sizes)
    handle = await host.load(tells(body))
    for size in range(1, len(HOSTILE) + 1):
        with pytest.raises(PluginRaised, match=r"trapped: it gave devkit\.\w+ [\d,]+ bytes at 0x") as caught:
            await handle.execute("x" * size, timeout=60)
        assert caught.value.kind == "Trap"
        assert await handle.execute("", timeout=60) == ""


async def test_an_answer_is_there_once(host):
    text = tells(f"""(drop (call $call (local.get $at) (local.get $size) {NEAR}))
  (i32.store (i32.const 64) (call $answer (i32.const 32) (i32.const 1)))
  (i32.store (i32.const 68) (call $answer (i32.const 32) (i32.const 100)))
  (return (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 8)))""")
    handle = await host.load(text)
    assert await handle.execute(b"store.keys") == b"\1\0\0\0\0\0\0\0"


async def test_a_wrong_type_is_refused(host):
    text = plain(ECHO, '(import "devkit" "host_call" (func (param i32)))')
    with pytest.raises(DevKitError) as caught:
        await host.load(text)
    assert caught.value.code == "wasm-link-failed"
