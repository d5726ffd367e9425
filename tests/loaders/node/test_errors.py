"""What a person is told of a JavaScript plugin that fails, and what keeps working."""

import asyncio

import pytest

from devkit_core.errors import InitializeFailed, LoadError, PluginRaised, WorkerCrashed


async def test_source_line_and_caret(bench):
    handle = await bench.js("exports.execute = (t) => {\n  return t.nope.nope\n}")
    with pytest.raises(PluginRaised, match="TypeError: Cannot read properties of undefined") as caught:
        await handle.execute("x")
    lines = caught.value.traceback.splitlines()
    assert lines[0].endswith("plugins/plugin/plugin.js:2")
    assert lines[1:3] == ["  return t.nope.nope", "                ^"]
    assert "node:internal" not in caught.value.traceback
    assert "worker.cjs" not in caught.value.traceback
    assert caught.value.kind == "TypeError"


async def test_causes_are_told(bench):
    handle = await bench.mjs(
        "export const execute = (t) => {\n  try { JSON.parse(t) } catch (cause) {\n"
        "    throw new Error('not mine', { cause })\n  }\n}"
    )
    with pytest.raises(PluginRaised) as caught:
        await handle.execute("{")
    assert "Caused by:" in caught.value.traceback
    assert "SyntaxError" in caught.value.traceback


@pytest.mark.parametrize(
    ("thrown", "told"),
    [
        ("'a string'", "a string"),
        ("null", "null"),
        ("undefined", "undefined"),
        ("{ a: 1 }", "a: 1"),
        ("new Proxy({}, { get () { throw 1 } })", ""),
        ("Object.assign(new Error('x'), { stack: null })", "x"),
        ("Object.assign(new Error(), { message: 7 })", "7"),
        ("new Error('long'.repeat(1e6))", "long"),
        ("class extends Error {}", "class"),
    ],
)
async def test_anything_can_be_thrown(bench, thrown, told):
    handle = await bench.js(f"exports.execute = (t) => {{ if (t) throw {thrown}; return 'on' }}")
    with pytest.raises(PluginRaised) as caught:
        await handle.execute("x")
    assert told in caught.value.message
    assert await handle.execute("") == "on"


@pytest.mark.parametrize(
    "stray", ["Promise.reject(new Error('stray'))", "setTimeout(() => { throw new Error('stray') }, 1)"]
)
async def test_what_nobody_catches_fails_the_call_and_ends_the_worker(bench, stray):
    handle = await bench.js(
        f"exports.execute = (t) => t === 'x' ? new Promise(() => {{ {stray} }}) : String(process.pid)"
    )
    pid = await handle.execute("")
    with pytest.raises(PluginRaised, match="stray"):
        await handle.execute("x")
    # not begun by the worker that ends, so it runs in the next one
    assert await handle.execute("", timeout=20) != pid
    assert any("Uncaught" in line for line in bench.logs())


async def test_a_worker_that_ends_between_calls(bench):
    handle = await bench.js("exports.execute = (t) => { setTimeout(() => process.exit(7), 20); return 'on' }")
    for _ in range(3):
        assert await handle.execute("", timeout=20) == "on"
        await asyncio.sleep(0.1)


async def test_exit_is_a_crash(bench):
    handle = await bench.js("exports.execute = (t) => process.exit(9)")
    with pytest.raises(WorkerCrashed) as caught:
        await handle.execute("")
    assert caught.value.status == 9


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ("plugin.js", "exports.execute = (x) => {\n  return x +* 3\n}"),
        ("plugin.mjs", "export const execute = (x) => {\n  return x +* 3\n}"),
        ("plugin.js", "export const execute = (x) => {\n  return x +* 3\n}"),
    ],
)
async def test_syntax_errors_have_a_place(bench, entry, source):
    with pytest.raises(LoadError, match="Unexpected token") as caught:
        await bench.load(entry, **{entry.replace(".", "_"): source})
    assert caught.value.code == "entry-point-syntax"
    assert (caught.value.place.line, caught.value.place.column) == (2, 13)
    assert caught.value.place.text == "  return x +* 3"


async def test_syntax_errors_of_other_files(bench):
    with pytest.raises(LoadError, match="SyntaxError") as caught:
        await bench.load("plugin.js", plugin_js="exports.execute = require('./b.js')", b_js="const = 1")
    assert caught.value.code == "load-failed"
    assert "b.js:1" in caught.value.traceback


async def test_imports_that_are_missing(bench):
    with pytest.raises(LoadError, match="no-such-package"):
        await bench.mjs("import x from 'no-such-package'\nexport const execute = x")


@pytest.mark.parametrize("when", ["throw new Error('no')", "return Promise.reject(new Error('no'))"])
async def test_initialize_fails(bench, when):
    with pytest.raises(InitializeFailed, match="no"):
        await bench.js(f"exports.initialize = () => {{ {when} }}\nexports.execute = (t) => t")


async def test_a_plugin_may_ruin_its_own_globals(bench):
    handle = await bench.js(
        """
        exports.execute = (t) => {
          const broken = () => { throw new Error('ruined') }
          Object.assign(Array.prototype, { push: broken, shift: broken })
          Object.assign(Map.prototype, { get: broken, set: broken, has: broken, delete: broken })
          Object.assign(JSON, { parse: broken, stringify: broken })
          Object.assign(Buffer, { from: broken, allocUnsafe: broken, concat: broken, byteLength: broken })
          Object.assign(Buffer.prototype, { utf8Write: broken, utf8Slice: broken, copy: broken })
          Object.assign(Uint8Array.prototype, { set: broken, subarray: broken })
          Object.assign(Object.prototype, { code: 'x', done: true, then2: broken })
          Object.assign(String.prototype, { isWellFormed: broken })
          Object.assign(require('fs'), { writeSync: broken, readFileSync: broken })
          Object.assign(globalThis, { Promise: null, setImmediate: null, AbortController: null })
          process.exit = broken
          if (t === 'throw') throw new Error('mine')
          return t
        }
        """
    )
    for text in ("a", "b", "ż" * 30_000, "c"):
        assert await handle.execute(text) == text
    with pytest.raises(PluginRaised, match="mine"):
        await handle.execute("throw")
    assert await asyncio.gather(*(handle.execute(str(n)) for n in range(100))) == [str(n) for n in range(100)]
    await bench.manager.unload("plugin")
