"""A module's own settings: at the start, when they change, and after a trap."""

import asyncio

import pytest

from devkit_core.errors import CallTimeout, ConfigError, InitializeFailed, LoadError, PluginRaised

from .conftest import ECHO, plain
from .test_instance import FOREVER

CONFIG = """
[config.word]
type = "string"
description = "What it says"
default = "żółw"
"""
DEFAULT = '{"word": "żółw"}'

#: keeps its settings at 4096 and answers with them; a longer word than `no` is refused, `!` traps
PLAIN = """(module
  (memory (export "memory") 1)
  (global $size (mut i32) (i32.const 0))
  (data (i32.const 16) "too long")
  (func (export "devkit_alloc") (param i32) (result i32) (i32.const 20000))
  (func (export "devkit_configure") (param $at i32) (param $n i32) (result i64)
    (if (i32.eq (i32.load8_u (i32.add (local.get $at) (i32.const 10))) (i32.const 33)) (then unreachable))
    (if (i32.gt_u (local.get $n) (i32.const 100))
      (then (return (i64.const 0x1080000008))))
    (memory.copy (i32.const 4096) (local.get $at) (local.get $n))
    (global.set $size (local.get $n)) (i64.const 0))
  (func (export "devkit_initialize") (result i64)
    (if (i32.eqz (global.get $size)) (then (return (i64.const 0x1080000003)))) (i64.const 0))
  (func (export "devkit_execute") (param $at i32) (param $n i32) (result i64)
    (if (i32.eq (local.get $n) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $n) (i32.const 2)) (then (loop $l (br $l))))
    (i64.or (i64.const 0x100000000000) (i64.extend_i32_u (global.get $size)))))"""

#: as PLAIN, with the names of the C interface; refuses a word that begins with `!`
REACTOR = """(module
  (memory (export "memory") 1)
  (data (i32.const 16) "too loud\\00")
  (func (export "malloc") (param i32) (result i32) (i32.const 20000))
  (func (export "last_error") (result i32) (i32.const 16))
  (func (export "configure") (param $at i32) (result i32)
    (if (i32.eq (i32.load8_u (i32.add (local.get $at) (i32.const 10))) (i32.const 33))
      (then (return (i32.const -1))))
    (memory.copy (i32.const 4096) (local.get $at) (i32.const 1000))
    (i32.const 0))
  (func (export "execute") (param i32) (result i32) (i32.const 4096)))"""


async def test_a_plain_module(load, manager):
    handle = await load(PLAIN, CONFIG)
    assert await handle.execute("") == DEFAULT
    await manager.configure("module", {"word": "a\0b"})
    assert await handle.execute("") == '{"word": "a\\u0000b"}'
    with pytest.raises(ConfigError, match="too long") as refused:
        await manager.configure("module", {"word": "x" * 100})
    assert refused.value.code == "plugin-config-refused"
    assert await handle.execute("") == '{"word": "a\\u0000b"}'


async def test_a_reactor(load, manager):
    handle = await load(REACTOR, CONFIG)
    assert await handle.execute("") == DEFAULT
    await manager.configure("module", {"word": "on"})
    assert await handle.execute("") == '{"word": "on"}'
    with pytest.raises(ConfigError, match="too loud") as refused:
        await manager.configure("module", {"word": "!"})
    assert refused.value.code == "plugin-config-refused"
    assert await handle.execute("") == '{"word": "on"}'


async def test_a_fresh_instance_is_given_those_in_force(load, manager):
    handle = await load(PLAIN, CONFIG)
    await manager.configure("module", {"word": "on"})
    with pytest.raises(PluginRaised):
        await handle.execute("t")
    assert await handle.execute("") == '{"word": "on"}'
    with pytest.raises(ConfigError, match="unreachable"):
        await manager.configure("module", {"word": "!"})  # its trap loses the instance
    assert await handle.execute("") == '{"word": "on"}'


async def test_they_wait_for_the_call_that_runs_and_go_before_the_others(load, manager):
    handle = await load(PLAIN, CONFIG)
    running = asyncio.ensure_future(handle.execute("tt", timeout=0.3))
    await asyncio.sleep(0.05)
    changing = asyncio.ensure_future(manager.configure("module", {"word": "on"}))
    await asyncio.sleep(0.05)
    assert not changing.done()
    waiting = asyncio.ensure_future(handle.execute("", timeout=20))
    with pytest.raises(CallTimeout):
        await running
    assert await waiting == '{"word": "on"}'
    await changing


async def test_who_gives_up_changes_nothing(load, manager):
    handle = await load(PLAIN, CONFIG)
    running = asyncio.ensure_future(handle.execute("tt", timeout=0.3))
    await asyncio.sleep(0.05)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(manager.configure("module", {"word": "on"}), 0.05)
    with pytest.raises(CallTimeout):
        await running
    assert await handle.execute("", timeout=20) == DEFAULT


async def test_one_that_never_comes_back_is_stopped(load, manager):
    endless = PLAIN.replace("then unreachable", f"then {FOREVER}", 1)
    limits = "[runtime.timeouts]\nexecution_timeout_seconds = 0.2\ninit_timeout_seconds = 1\n"
    handle = await load(endless, CONFIG + limits)
    with pytest.raises(CallTimeout):
        await asyncio.wait_for(manager.configure("module", {"word": "!"}), 30)
    assert await handle.execute("", timeout=20) == DEFAULT


async def test_one_that_refuses_them_is_not_loaded(load, manager):
    with pytest.raises(InitializeFailed, match="too loud"):
        await load(REACTOR, CONFIG.replace("żółw", "!"))
    assert manager.get_plugin("module") is None


@pytest.mark.parametrize(
    ("module", "more"),
    [
        (plain(ECHO), ""),
        (REACTOR, '[functions.configure]\ndescription = "of its own"\n'),
        ('(module (memory (export "memory") 1) (func (export "_start")) (func (export "configure")))', ""),
    ],
    ids=["plain", "function", "command"],
)
async def test_what_takes_none_is_refused(load, module, more):
    with pytest.raises(LoadError) as refused:
        await load(module, CONFIG + more)
    assert refused.value.code == "plugin-config-undeliverable"


async def test_another_signature_is_refused(load):
    module = plain(ECHO).removesuffix(")") + '(func (export "devkit_configure") (result i32) (i32.const 0)))'
    with pytest.raises(LoadError) as refused:
        await load(module, CONFIG)
    assert refused.value.code == "wasm-export-signature"


async def test_without_settings_it_is_not_called(load):
    handle = await load(REACTOR)
    assert await handle.execute("") == ""
