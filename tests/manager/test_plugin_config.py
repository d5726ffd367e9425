"""Settings reach plugins: at the start, when they change, and never where nothing takes them."""

import shutil
import textwrap
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.errors import ConfigError, LoadError, NotFound
from devkit_core.events.bus import EventKind
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "tuned"
name = "Tuned"
version = "1.0.0"
description = "Says what it was given"
author = "Us"
entry_point = "{entry}"
[config.indent]
type = "integer"
default = 2
min = 0
[config.token]
type = "string"
secret = true
"""
PYTHON = {
    "both": """
        given, changes, starts = None, 0, 0
        def initialize(config):
            global given
            given = config
        def configure(config):
            global given, changes
            if config["indent"] == 13:
                raise ValueError("thirteen is no indent")
            given, changes = config, changes + 1
        def execute(text):
            return f"{given['indent']} {given.get('token')} {changes}"
    """,
    "initialize": """
        given = None
        def initialize(config):
            global given
            if config["indent"] == 13:
                raise ValueError("thirteen is no indent")
            given = config
        def execute(text):
            return f"{given['indent']} {given.get('token')} 0"
    """,
    "configure": """
        given, changes = None, -1
        async def configure(config):
            global given, changes
            if config["indent"] == 13:
                raise ValueError("thirteen is no indent")
            given, changes = config, changes + 1
        def execute(text):
            return f"{given['indent']} {given.get('token')} {changes}"
    """,
}
NODE = {
    "both": """
        let given, changes = 0
        exports.initialize = (config) => { given = config }
        exports.configure = (config) => {
          if (config.indent === 13) throw new RangeError('thirteen is no indent')
          given = config; changes += 1
        }
        exports.execute = (text) => `${given.indent} ${given.token ?? 'None'} ${changes}`
    """,
    "initialize": """
        let given
        exports.initialize = async (config) => {
          if (config.indent === 13) throw new RangeError('thirteen is no indent')
          given = config
        }
        exports.execute = (text) => `${given.indent} ${given.token ?? 'None'} 0`
    """,
    "configure": """
        let given, changes = -1
        exports.configure = async (config) => {
          if (config.indent === 13) throw new RangeError('thirteen is no indent')
          given = config; changes += 1
        }
        exports.execute = (text) => `${given.indent} ${given.token ?? 'None'} ${changes}`
    """,
}


def make(tmp_path: Path, entry: str, source: str) -> Places:
    folder = tmp_path / "project" / "plugins" / "tuned"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(entry=entry))
    (folder / entry).write_text(textwrap.dedent(source))
    return Places.under(tmp_path / "home", project=tmp_path / "project")


def node() -> None:
    from devkit_loader_node.runtime import find_path

    try:
        find_path()
    except LoadError as error:
        pytest.skip(f"needs Node.js 22.18 or newer: {error.message}")


@pytest.mark.parametrize("style", ["both", "initialize", "configure"])
@pytest.mark.parametrize("language", ["python", "node"])
async def test_settings_come_at_the_start_and_when_they_change(
    tmp_path: Path, language: str, style: str
) -> None:
    if language == "node":
        node()
    entry, sources = {"python": ("plugin.py", PYTHON), "node": ("plugin.js", NODE)}[language]
    places = make(tmp_path, entry, sources[style])
    live = style != "initialize"
    async with PluginManager(places=places, control=False) as manager:
        with manager.subscribe(kinds=[EventKind.PLUGIN_CONFIG_UPDATED]) as events:
            handle = await manager.load("tuned")
            pid = handle.pid
            assert await handle.execute() == "2 None 0"
            after = await manager.configure("tuned", {"indent": 4, "token": "hunter2"})
            assert after.shown() == {"indent": 4, "token": "***"}
            assert await handle.execute() == ("4 hunter2 1" if live else "4 hunter2 0")
            assert (handle.pid == pid) is live
            with pytest.raises(ConfigError) as refused:
                await manager.configure("tuned", {"indent": -1, "nothing": 1})
            assert [p.code for p in refused.value.problems] == [
                "plugin-config-invalid",
                "plugin-config-unknown-key",
            ]
            code = "plugin-config-refused" if live else "initialize-failed"
            with pytest.raises((ConfigError, LoadError), match="thirteen") as told:
                await manager.configure("tuned", {"indent": 13})
            assert told.value.code == code
            assert manager.plugin_config("tuned").values["indent"] == 4
            assert (await handle.execute()).startswith("4 hunter2")
            await manager.configure("tuned", {"indent": None, "token": None})
            assert (await handle.execute()).startswith("2 None")
        told_of = [event async for event in events]
        assert [event.data["keys"] for event in told_of] == [["indent", "token"]] * 2
        assert "hunter2" not in repr(told_of) + repr(after)


@pytest.mark.parametrize(
    "source",
    ["def execute(text):\n    return text\n", "import sys\nprint(sys.argv[2:])\n"],
    ids=["function", "script"],
)
async def test_settings_that_nothing_takes_are_refused(tmp_path: Path, source: str) -> None:
    async with PluginManager(places=make(tmp_path, "plugin.py", source), control=False) as manager:
        with pytest.raises(LoadError) as refused:
            await manager.load("tuned")
        assert refused.value.code == "plugin-config-undeliverable"


async def test_settings_outlive_the_worker_and_a_reload(tmp_path: Path) -> None:
    places = make(tmp_path, "plugin.py", PYTHON["both"])
    async with PluginManager(places=places, control=False) as manager:
        await manager.configure("tuned", {"indent": 7})
        handle = await manager.load("tuned")
        assert await handle.execute() == "7 None 0"
        await manager.reload("tuned")
        assert await handle.execute() == "7 None 0"


async def test_what_the_file_has_now_is_given_where_nothing_else_is(tmp_path: Path) -> None:
    places = make(tmp_path, "plugin.py", PYTHON["both"])
    async with PluginManager(places=places, control=False) as manager:
        handle = await manager.load("tuned")
        with manager.subscribe(kinds=["plugin-config-updated"]) as events:
            (places.config / "plugins").mkdir(parents=True)
            (places.config / "plugins" / "tuned.toml").write_text("indent = 6\n")
            assert (await manager.configure("tuned", {})).values["indent"] == 6
            assert await handle.execute() == "6 None 1"
            await manager.configure("tuned", {})
            assert await handle.execute() == "6 None 1"
        assert [event.data["keys"] async for event in events] == [["indent"]]


async def test_a_plugin_without_settings_takes_none(tmp_path: Path) -> None:
    places = make(
        tmp_path,
        "plugin.py",
        "def initialize(config):\n    assert config == {}\n" + "def execute(t): return t\n",
    )
    manifest = places.project / "plugins" / "tuned" / "plugin.toml"
    manifest.write_text(MANIFEST.format(entry="plugin.py").split("[config")[0])
    async with PluginManager(places=places, control=False) as manager:
        assert await (await manager.load("tuned")).execute("on") == "on"
        with pytest.raises(ConfigError):
            await manager.configure("tuned", {"indent": 2})
    given = {"tuned": {"indent": "2"}}
    async with PluginManager(places=places, control=False, plugin_values=given) as manager:
        with pytest.raises(NotFound, match="no setting 'indent'"):
            await manager.load("tuned")


async def test_a_broken_file_keeps_the_plugin_from_loading(tmp_path: Path) -> None:
    places = make(tmp_path, "plugin.py", PYTHON["both"])
    (places.config / "plugins").mkdir(parents=True)
    file = places.config / "plugins" / "tuned.toml"
    file.write_text("indent = 'x'\nmore = 1\n")
    async with PluginManager(places=places, control=False) as manager:
        with pytest.raises(ConfigError) as refused:
            await manager.load("tuned")
        assert [(p.place.path, p.place.line) for p in refused.value.problems] == [
            (str(file), 1),
            (str(file), 2),
        ]
        file.write_text("indent = 8\n")
        assert await (await manager.load("tuned")).execute() == "8 None 0"
    shutil.rmtree(places.config)


async def test_a_kind_that_is_given_no_settings_refuses_them(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "conformance" / "wasm-plugin"
    folder = tmp_path / "project" / "plugins" / "conformance"
    shutil.copytree(source, folder)
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text() + '\n[config.size]\ntype = "integer"\ndefault = 1\n')
    places = Places.under(tmp_path / "home", project=tmp_path / "project")
    async with PluginManager(places=places, control=False) as manager:
        with pytest.raises(LoadError) as refused:
            await manager.load("conformance")
        assert refused.value.code == "plugin-config-undeliverable"
