"""The plugins in JavaScript and TypeScript: the examples of their READMEs, and their functions."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devkit_core.api import ExecutionError, LoadError
from devkit_core.config.places import Places
from devkit_core.manager import PluginManager
from devkit_loader_node.runtime import find_path

ROOT = Path(__file__).parents[2]
IDS = ("markdown-html", "typescript-guru")
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def node():
    try:
        return find_path()
    except LoadError as error:
        pytest.skip(f"needs Node.js 22.18 or newer: {error.message}")


@pytest.fixture(scope="module")
def home(node, tmp_path_factory):
    """A home in which what npm brings is kept for all these tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
async def load(home, tmp_path):
    places = Places.under(tmp_path, project=ROOT)
    async with PluginManager(
        places=dataclasses.replace(places, cache=home / "cache"), control=False
    ) as manager:

        async def loaded(plugin):
            try:
                return await manager.load(plugin)
            except LoadError as error:
                if error.code in ("packages-unavailable", "esbuild-missing"):
                    pytest.skip(f"needs npm's registry: {error.message}")
                raise

        yield loaded


def examples():
    for plugin in IDS:
        for block in _BLOCK.findall((ROOT / "plugins" / plugin / "README.md").read_text()):
            for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = example.partition("\n")
                yield pytest.param(plugin, command, shown, id=f"{plugin}: {command[-40:]}")


@pytest.mark.parametrize(("plugin", "command", "shown"), list(examples()))
async def test_readme_examples(load, home, plugin, command, shown):
    await load(plugin)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DEVKIT_HOME": str(home),
        "LANG": "C.UTF-8",
    }
    ran = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout.rstrip("\n") == shown.rstrip("\n")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("", ""),
        ("# A\n\n# A\n\n# !", '<h1 id="a">A</h1>\n<h1 id="a-1">A</h1>\n<h1 id="section">!</h1>\n'),
        ("# Zażółć *x* `y`", '<h1 id="zażółć-x-y">Zażółć <em>x</em> <code>y</code></h1>\n'),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("|a|\n|-|\n|b|", None),
    ],
)
async def test_markdown(load, markdown, html):
    answer = await (await load("markdown-html")).execute(markdown)
    assert answer == html if html is not None else "<table>" in answer


async def test_markdown_pages(load):
    plugin = await load("markdown-html")
    request = {"markdown": "<i>x</i>", "title": '<T> & "co"', "html": True, "language": "pl"}
    page = json.loads(await plugin.call("render", json.dumps(request)))
    assert "<title>&lt;T&gt; &amp; &quot;co&quot;</title>" in page
    assert '<html lang="pl">' in page
    assert "<p><i>x</i></p>" in page


@pytest.mark.parametrize(
    ("samples", "types"),
    [
        ([1], "export type Root = number\n"),
        ([1, "a", None], "export type Root = string | number | null\n"),
        ([[]], "export type Root = unknown[]\n"),
        ([[1, "a"]], "export type Root = (string | number)[]\n"),
        ([{}], "export interface Root {\n}\n"),
        ([{"a b": 1}, {}], 'export interface Root {\n  "a b"?: number\n}\n'),
        (
            [{"a": {"x": 1}, "b": {"x": 2}}],
            "export interface Root {\n  a: A\n  b: A\n}\n\nexport interface A {\n  x: number\n}\n",
        ),
        (
            [{"root": {"x": 1}}],
            "export interface Root {\n  root: Root2\n}\n\nexport interface Root2 {\n  x: number\n}\n",
        ),
        ([{"1": "a", "2": "b", "3": "c"}], "export type Root = Record<string, string>\n"),
        ([{"__proto__": 1}], "export interface Root {\n  __proto__: number\n}\n"),
    ],
)
async def test_types(load, samples, types):
    plugin = await load("typescript-guru")
    assert json.loads(await plugin.call("types", json.dumps({"samples": samples}))) == types


@pytest.mark.parametrize("text", ["", "{", "1\n{\n", "[" * 300 + "]" * 300])
async def test_samples_that_are_none(load, text):
    plugin = await load("typescript-guru")
    with pytest.raises(ExecutionError, match=r"JSON|nested"):
        await plugin.execute(text)
