"""Packages by npm: from the registry, without scripts, found by both kinds of module."""

import json

import pytest

from devkit_core.errors import LoadError

PACKAGE = '{"dependencies": {"uc.micro": "^2.1.0"}, "scripts": {"postinstall": "touch ran"}}'
REQUIRE = "const { Any } = require('uc.micro')\nexports.execute = (t) => String(Any.test(t))"
IMPORT = "import { Any } from 'uc.micro'\nexport const execute = (t) => String(Any.test(t))"


async def load(bench, entry, **files):
    try:
        return await bench.load(entry, **files)
    except LoadError as error:
        if error.code in ("packages-unavailable", "esbuild-missing"):
            pytest.skip(f"needs npm's registry: {error.message}")
        raise


@pytest.mark.parametrize(
    ("entry", "source"), [("plugin.js", REQUIRE), ("plugin.mjs", IMPORT), ("plugin.ts", IMPORT)]
)
async def test_packages_of_package_json(bench, cache, entry, source):
    source = source.replace("(t) =>", "(t: string) =>") if entry.endswith("ts") else source
    handle = await load(bench, entry, files={entry: source, "package.json": PACKAGE})
    assert await handle.execute("x") == "true"
    (made,) = (cache / "node" / "packages").iterdir()
    assert not list(made.rglob("ran"))
    assert sorted(p.name for p in (bench.root / "plugins" / "plugin").iterdir()) == sorted(
        ["plugin.toml", "package.json", entry]
    )


async def test_packages_shipped_in_the_folder(bench):
    shipped = {
        "node_modules/mark/package.json": '{"name": "mark", "main": "index.js"}',
        "node_modules/mark/index.js": "exports.mark = '!'",
        "package.json": '{"dependencies": {"mark": "^9.9.9"}}',
    }
    for entry, source in (
        ("plugin.js", "const { mark } = require('mark')\nexports.execute = (t) => t + mark"),
        ("plugin.mjs", "import { mark } from 'mark'\nexport const execute = (t) => t + mark"),
    ):
        handle = await bench.load(entry, id=entry.split(".")[1], files={entry: source, **shipped})
        assert await handle.execute("hello") == "hello!"


@pytest.mark.parametrize(
    "asked",
    [
        "git+https://example.org/x.git",
        "https://example.org/x.tgz",
        "file:../secret",
        "link:../secret",
        "../secret",
        "github:someone/x",
        "someone/x",
        "workspace:*",
        7,
        None,
    ],
)
async def test_packages_from_elsewhere_are_refused(bench, asked):
    with pytest.raises(LoadError) as caught:
        await bench.js("exports.execute = (t) => t", package_json=json.dumps({"dependencies": {"x": asked}}))
    assert caught.value.code == "packages-invalid"
    assert caught.value.place.path.endswith("package.json")


@pytest.mark.parametrize("name", ["../x", "/etc", ".hidden", "a/b/c", "@a/../b", "UPPER case", "", "-x/y"])
async def test_names_that_are_none(bench, name):
    with pytest.raises(LoadError) as caught:
        await bench.js("exports.execute = (t) => t", package_json=json.dumps({"dependencies": {name: "1"}}))
    assert caught.value.code == "packages-invalid"


LOCK = {"lockfileVersion": 3, "packages": {"": {"dependencies": {"x": "1"}}}}


@pytest.mark.parametrize(
    "entry",
    [
        {
            "node_modules/x": {
                "version": "1.0.0",
                "resolved": "git+ssh://git@example.org/x.git",
                "integrity": "x",
            }
        },
        {"node_modules/x": {"version": "1.0.0", "resolved": "file:../x", "integrity": "x"}},
        {"node_modules/x": {"version": "1.0.0", "resolved": "https://example.org/x.tgz"}},
        {"node_modules/x": {"resolved": "../x", "link": True}},
        {"../x": {"version": "1.0.0", "integrity": "x"}},
        {"node_modules/../../x": {"version": "1.0.0", "integrity": "x"}},
        {"node_modules/x": 7},
    ],
)
async def test_locks_that_lead_elsewhere(bench, entry):
    lock = {**LOCK, "packages": {**LOCK["packages"], **entry}}
    with pytest.raises(LoadError) as caught:
        await bench.js(
            "exports.execute = (t) => t",
            files={"package.json": '{"dependencies": {"x": "1"}}', "package-lock.json": json.dumps(lock)},
        )
    assert caught.value.code == "packages-invalid"


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", '{"dependencies": ' + "[" * 100_000])
async def test_package_json_that_is_none(bench, text):
    with pytest.raises(LoadError) as caught:
        await bench.js("exports.execute = (t) => t", package_json=text)
    assert caught.value.code == "packages-invalid"


async def test_a_package_json_that_asks_for_nothing(bench):
    handle = await bench.js(
        "import x from 'node:fs'\nexport const execute = (t) => t", package_json='{"type": "module"}'
    )
    assert await handle.execute("a") == "a"


async def test_a_registry_out_of_reach(bench, monkeypatch, cache):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(bench.root / "empty"))
    with pytest.raises(LoadError, match="npm install failed") as caught:
        await bench.js("exports.execute = (t) => t", package_json='{"dependencies": {"left-out": "1"}}')
    assert caught.value.code == "packages-unavailable"
    assert caught.value.hint
    assert not list((cache / "node" / "packages").glob(".making-*"))


async def test_links_are_not_followed(bench, tmp_path):
    (tmp_path / "other.json").write_text(PACKAGE)
    folder = bench.write("plugin.js", plugin_js="exports.execute = (t) => t")
    (folder / "package.json").symlink_to(tmp_path / "other.json")
    with pytest.raises(LoadError) as caught:
        await bench.manager.load("plugin")
    assert caught.value.code == "packages-invalid"
