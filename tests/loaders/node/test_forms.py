"""The forms that a JavaScript plugin may have, and what goes in and out of it."""

import asyncio

import pytest

from devkit_core.errors import ExecutionError, LoadError, PluginRaised

FORMS = {
    "exports": ("plugin.js", "exports.execute = (t) => t + '!'"),
    "module.exports": ("plugin.cjs", "module.exports = { execute (t) { return t + '!' } }"),
    "static method": ("plugin.js", "module.exports = class { static execute (t) { return t + '!' } }"),
    "re-export": ("plugin.js", "const p = { execute: (t) => t + '!' }\nmodule.exports = p"),
    "export function": ("plugin.mjs", "export function execute (t) { return t + '!' }"),
    "export in .js": ("plugin.js", "export const execute = (t) => t + '!'"),
    "export default": ("plugin.mjs", "export default { mark: '!', execute (t) { return t + this.mark } }"),
    "instance": ("plugin.mjs", "class P { execute (t) { return t + '!' } }\nexport default new P()"),
    "a start that waits for what holds no process": (
        "plugin.mjs",
        "const m = await new Promise((r) => setTimeout(r, 20, '!').unref())\n"
        "export const execute = (t) => t + m",
    ),
    "top-level await": ("plugin.mjs", "const m = await '!'\nexport const execute = (t) => t + m"),
    "async": ("plugin.js", "exports.execute = async (t) => { await null; return t + '!' }"),
    "promise": ("plugin.js", "exports.execute = (t) => new Promise((r) => setTimeout(r, 1, t + '!'))"),
    "script": ("plugin.js", "if (process.argv[2] === 'execute') console.log(process.argv[3] + '!')"),
    "module script": (
        "plugin.mjs",
        "import { argv, exit } from 'node:process'\n"
        "const [method, text] = argv.slice(2)\n"
        "if (method !== 'execute') exit(2)\nconsole.log(await text + '!')\nexit(0)",
    ),
    "script with main": (
        "plugin.js",
        "function execute (t) { return t + '!' }\n"
        "if (require.main === module) console.log(execute(process.argv[3]))",
    ),
    "both": (
        "plugin.js",
        "exports.execute = (t) => t + '!'\nif (require.main === module) console.log('never: I am no main')",
    ),
    "module with a main": (
        "plugin.mjs",
        "import { pathToFileURL } from 'node:url'\nexport const execute = (t) => t + '!'\n"
        "if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log('never')",
    ),
}


@pytest.mark.parametrize("form", FORMS)
async def test_forms(bench, form):
    entry, source = FORMS[form]
    handle = await bench.load(entry, **{entry.replace(".", "_"): source})
    assert [await handle.execute(text) for text in ("hello", "", "a\nb  ")] == ["hello!", "!", "a\nb  !"]
    assert bench.logs() == []


async def test_a_shebang_is_enough(bench):
    handle = await bench.load("plugin", plugin="#!/usr/bin/env node\nexports.execute = (t) => t + '!'\n")
    assert await handle.execute("hello") == "hello!"


async def test_bytes_are_asked_for_by_name(bench):
    handle = await bench.js(
        "exports.input = 'bytes'\nexports.execute = (data) => Buffer.from(data).reverse()"
    )
    assert await handle.execute(b"\x00\xff\x80") == b"\x80\xff\x00"
    assert await handle.execute("abc") == b"cba"


@pytest.mark.parametrize(
    "made",
    ["Buffer.from([0, 255])", "new Uint8Array([9, 0, 255]).subarray(1)", "new Uint8Array([0, 255]).buffer"],
)
async def test_bytes_out(bench, made):
    handle = await bench.js(f"exports.execute = () => {made}")
    assert await handle.execute("") == b"\x00\xff"


async def test_bytes_that_are_no_text(bench):
    handle = await bench.js("exports.execute = (t) => t")
    with pytest.raises(ExecutionError, match="not UTF-8") as caught:
        await handle.execute(b"\xff")
    assert caught.value.code == "input-not-text"
    assert await handle.execute("ż".encode()) == "ż"


@pytest.mark.parametrize(
    ("value", "code", "told"),
    [
        ("undefined", "result-type", "returned undefined"),
        ("{ a: 1 }", "result-type", r"returned an object \(Object\)"),
        ("[1]", "result-type", r"returned an object \(Array\)"),
        ("7", "result-type", "returned a number"),
        ("Object.create(null)", "result-type", "without prototype"),
        ("'\\ud800'", "result-not-text", "surrogate"),
    ],
)
async def test_results_that_are_none(bench, value, code, told):
    handle = await bench.js(f"exports.execute = () => ({value})")
    with pytest.raises(ExecutionError, match=told) as caught:
        await handle.execute("")
    assert caught.value.code == code


async def test_functions_of_the_manifest_take_and_return_json(bench):
    handle = await bench.js(
        "exports.execute = (t) => t\nexports.add = ({ a, b }) => a + b\nexports.later = async (x) => [x]\n"
        "exports.nothing = () => {}\nexports.wrong = () => 1n",
        more="".join(f'[functions.{n}]\ndescription = "x"\n' for n in ("add", "later", "nothing", "wrong")),
    )
    assert await handle.call("add", '{"a": 1, "b": 2}') == "3"
    assert await handle.call("later", '"ż"') == '["ż"]'
    assert await handle.call("nothing", "null") == "null"
    for function, text, code in (("add", "{", "input-not-json"), ("wrong", "1", "result-type")):
        with pytest.raises(ExecutionError) as caught:
            await handle.call(function, text)
        assert caught.value.code == code


async def test_functions_that_are_missing(bench):
    for source in ("exports.run = (t) => t", "console.log(1)", ""):
        with pytest.raises(LoadError, match="exports no function `execute`") as caught:
            await bench.js(source)
        assert caught.value.code == "entry-function-missing"
        assert caught.value.hint
    with pytest.raises(LoadError, match="`add`"):
        await bench.js("exports.execute = (t) => t", more='[functions.add]\ndescription = "x"')


@pytest.mark.parametrize("star", ["*", "async *"])
async def test_generators_stream(bench, star):
    function = star.replace("*", "function *")
    handle = await bench.js(
        f"exports.execute = {function} (t) {{ for (let i = 0; i < Number(t); i++) yield `${{i}}` }}"
    )
    for count in (0, 1, 500):
        assert [item async for item in handle.stream(str(count))] == [str(n) for n in range(count)]


async def test_streams_wait_for_their_reader(bench):
    handle = await bench.js(
        "let made = 0\n"
        "exports.execute = (t) => t ? String(made) : (async function * () {\n"
        "  for (; made < 200; made++) yield 'x'.repeat(100_000)\n})()"
    )
    items = handle.stream("")
    assert len(await anext(items)) == 100_000
    await asyncio.sleep(0.2)
    await items.aclose()
    assert int(await handle.execute("how many")) < 60


async def test_scripts_get_initialize_and_shutdown(bench):
    handle = await bench.js(
        "switch (process.argv[2]) {\n  case 'initialize': console.log('up'); break\n"
        "  case 'shutdown': console.log('down'); break\n"
        "  case 'execute': process.stdout.write(process.argv[3]); console.error('complaint')\n}"
    )
    assert await handle.execute("x\n") == "x"
    await bench.manager.unload("plugin")
    assert bench.logs() == ["up", "complaint", "down"]


async def test_scripts_that_fail(bench):
    handle = await bench.js(
        "const [, , method, text] = process.argv\n"
        "if (text === 'throw') throw new TypeError('thrown')\n"
        "if (text === 'exit') { console.error('no such thing'); process.exit(4) }\n"
        "if (text === 'hang') setInterval(() => {}, 1000)\n"
        "if (method === 'execute') console.log(text)"
    )
    with pytest.raises(PluginRaised, match="TypeError: thrown") as thrown:
        await handle.execute("throw")
    assert "plugin.js:2" in thrown.value.traceback
    with pytest.raises(PluginRaised, match="exited with 4") as exited:
        await handle.execute("exit")
    assert "no such thing" in exited.value.traceback
    pid = handle.pid
    with pytest.raises(ExecutionError):
        await handle.execute("hang", timeout=0.3)
    assert await handle.execute("fine") == "fine"
    assert handle.pid == pid


async def test_the_event_loop_runs_between_calls(bench):
    handle = await bench.js(
        "let ticks = 0\nexports.initialize = () => { setInterval(() => ticks++, 5) }\n"
        "exports.execute = () => String(ticks)"
    )
    before = int(await handle.execute(""))
    await asyncio.sleep(0.2)
    assert int(await handle.execute("")) > before + 5


async def test_async_calls_overlap_and_plain_ones_do_not(bench):
    body = (
        "let open = 0\nlet most = 0\nexports.execute = ASYNC (t) => { most = Math.max(most, ++open)\n"
        "  return new Promise((r) => setTimeout(() => { open--; r(String(most)) }, 10)) }"
    )
    for word, least, most in (("async", 20, 64), ("", 1, 1)):
        handle = await bench.js(body.replace("ASYNC", word), id="plain" if not word else "plugin")
        answers = await asyncio.gather(*(handle.execute("") for _ in range(30)))
        assert least <= max(map(int, answers)) <= most


async def test_cancelled_calls_are_told_by_a_signal(bench):
    handle = await bench.js(
        "let told = 0\nexports.execute = async (t, { signal }) => {\n  if (t) return String(told)\n"
        "  signal.addEventListener('abort', () => told++)\n  await new Promise(() => {})\n}"
    )
    pid = handle.pid
    with pytest.raises(ExecutionError):
        await handle.execute("", timeout=0.2)
    assert await handle.execute("how many") == "1"
    assert handle.pid == pid
