"""TypeScript as people write it, and errors that name its lines."""

import pytest

from devkit_core.errors import LoadError, PluginRaised

pytestmark = pytest.mark.usefixtures("typescript")

DECORATED = """
    function loud(target: any, key: string, made: PropertyDescriptor): PropertyDescriptor {
      const plain = made.value
      made.value = function (...given: unknown[]) { return `[${plain.apply(this, given)}]` }
      return made
    }
    enum Colour { Red, Green = 5 }
    const enum Size { Small = 'S' }
    namespace Names { export const first = 'n' }
    abstract class Base { abstract run(text: string): string }
    class Painter extends Base {
      constructor(private readonly mark: string, public count = 1) { super() }
      @loud run(text: string): string { return this.mark + text + this.count }
    }
    export function execute(text: string): string {
      return new Painter('>').run(text) + Colour.Green + Colour[5] + Size.Small + Names.first
    }
"""


async def test_enums_namespaces_parameter_properties_and_decorators(bench):
    handle = await bench.load(
        "plugin.ts",
        plugin_ts=DECORATED,
        tsconfig_json='{"compilerOptions": {"experimentalDecorators": true}}',
    )
    assert await handle.execute("a") == "[>a1]5GreenSn"


async def test_standard_decorators(bench):
    handle = await bench.load(
        "plugin.mts",
        plugin_mts="""
            type Method = (...given: any[]) => string
            function named(method: Method, context: ClassMethodDecoratorContext): Method {
              return function (...given) { return String(context.name) + method.apply(null, given) }
            }
            class P { @named run(text: string): string { return text } }
            export const execute = async (text: string): Promise<string> => new P().run(text)
        """,
    )
    assert await handle.execute("-a") == "run-a"


@pytest.mark.parametrize(
    "source",
    [
        "import path = require('path')\nexport = { execute: (t: string): string => path.basename(t) }",
        "const path = require('path')\nexports.execute = (t: string): string => path.basename(t)",
        "import { basename } from 'path'\nexport default { execute: (t: string) => basename(t) }",
        "import type { X } from './gone'\nimport * as path from 'node:path'\n"
        "export function execute(t: X | string): string { return path.basename(t as string) }",
    ],
)
@pytest.mark.parametrize("entry", ["plugin.ts", "plugin.cts"])
async def test_both_kinds_of_module(bench, entry, source):
    handle = await bench.load(entry, **{entry.replace(".", "_"): source})
    assert await handle.execute("/a/b") == "b"


async def test_imports_of_other_files(bench):
    handle = await bench.load(
        "plugin.ts",
        plugin_ts="""
            import { one } from './lib/one'
            import { two } from './lib/two.js'
            import { three } from './lib/three.ts'
            import data from './data.json'
            const numbers: number[] = [one, two, three, data.n, __dirname.length]
            export const execute = (text: string): string => text + numbers.join('')
        """,
        lib__one_ts="export const one: number = 1",
        lib__two_ts="export const two: number = 2",
        lib__three_ts="export const three: number = 3",
        data_json='{"n": 4}',
    )
    folder = bench.root / "plugins" / "plugin"
    assert await handle.execute("a") == f"a1234{len(str(folder))}"


async def test_stack_traces_name_the_typescript_line(bench):
    handle = await bench.load(
        "plugin.ts",
        plugin_ts="""
            import { fail } from './lib/fail'
            export function execute(text: string): string {
              return fail({ text } as const)
            }
        """,
        lib__fail_ts="""
            interface Given { text: string }

            export function fail(given: Given): never {
              throw new RangeError(`no: ${given.text}`)
            }
        """,
    )
    with pytest.raises(PluginRaised, match="RangeError: no: x") as caught:
        await handle.execute("x")
    folder = bench.root / "plugins" / "plugin"
    lines = caught.value.traceback.splitlines()
    assert lines[0] == f"{folder}/lib/fail.ts:5"
    assert lines[1].strip() == "throw new RangeError(`no: ${given.text}`)"
    assert f"at fail ({folder}/lib/fail.ts:5:9)" in caught.value.traceback
    assert f"({folder}/plugin.ts:4:10)" in caught.value.traceback


async def test_syntax_errors_have_a_place(bench):
    with pytest.raises(LoadError, match="Unexpected") as caught:
        await bench.load("plugin.ts", plugin_ts="export function execute(x: string) {\n  return x +* 3\n}\n")
    assert caught.value.code == "entry-point-syntax"
    assert caught.value.place.path.endswith("plugins/plugin/plugin.ts")
    assert (caught.value.place.line, caught.value.place.column) == (2, 13)
    assert caught.value.place.text == "  return x +* 3"


async def test_a_translation_follows_its_files(bench, cache):
    files = {"plugin_ts": "import { n } from './n'\nexport const execute = (): string => `${n}`\n"}
    handle = await bench.load("plugin.ts", n_ts="export const n: number = 1", **files)
    assert await handle.execute("") == "1"
    (bench.root / "plugins" / "plugin" / "n.ts").write_text("export const n: number = 2")
    await bench.manager.reload("plugin")
    assert await handle.execute("") == "2"
    kept = cache / "node" / "translated"
    assert kept.stat().st_mode & 0o777 == 0o700


async def test_the_translator_reads_the_plugins_folder_only(bench, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"secret": "hunter2"}')
    with pytest.raises(LoadError) as caught:
        await bench.load(
            "plugin.ts",
            plugin_ts=f"import s from '{secret}'\nexport const execute = (): string => s.secret",
        )
    assert caught.value.code == "entry-point-syntax"
    assert "secret.json" in caught.value.message
    assert "hunter2" not in str(caught.value)


async def test_too_many_files(bench, monkeypatch):
    monkeypatch.setattr("devkit_loader_node.typescript._FILES", 3)
    files = {f"f{n}_ts": "" for n in range(4)}
    with pytest.raises(LoadError) as caught:
        await bench.load("plugin.ts", plugin_ts="export const execute = (): string => ''", **files)
    assert caught.value.code == "too-many-sources"
