"""devkit plugin list: everything there is, broken and hostile plugins too, and fast."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def test_table_and_json(project, devkit, data):
    project.plugin("one", description="First")
    project.plugin("two", description="Second", more='[[capabilities]]\ncapability = "CodeAnalysis"')
    lines = devkit("plugin", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "VERSION", "KIND", "STATUS", "SOURCE", "DESCRIPTION"]
    assert lines[1].split() == ["one", "1.0.0", "python", "discovered", "project", "First"]
    found = data("plugin", "list")
    assert found["schema"] == "plugin-list/1"
    assert [each["id"] for each in found["plugins"]] == ["one", "two"]
    assert found["plugins"][0]["folder"] == str(project.plugins / "one")


def test_filters(project, data):
    project.plugin("one")
    project.plugin("two", more='[[capabilities]]\ncapability = "CodeAnalysis"')
    (project.plugins / "two").joinpath("plugin.py").unlink()
    (project.plugins / "broken").mkdir()
    (project.plugins / "broken" / "plugin.toml").write_text("no [toml")
    assert [p["id"] for p in data("plugin", "list", "--capability", "code-analysis")["plugins"]] == ["two"]
    assert [p["id"] for p in data("plugin", "list", "--status", "error")["plugins"]] == ["broken"]
    assert data("plugin", "list", "--status", "disabled")["plugins"] == []


def test_a_broken_plugin_hides_no_other(project, devkit):
    project.plugin("fine")
    for name, text in {"empty": b"", "binary": b"\xff\xfe", "huge": b"#" * (2 << 20)}.items():
        (project.plugins / name).mkdir()
        (project.plugins / name / "plugin.toml").write_bytes(text)
    out = devkit("plugin", "list").stdout
    assert out.count("error[manifest-") == 3
    assert "discovered" in out


def test_a_shadowed_plugin_is_shown(project, devkit, data):
    project.plugin("same")
    project.plugin("same", parent=project.home / "data" / "plugins")
    found = data("plugin", "list")["plugins"]
    assert [(each["source"], each["shadowed_by"]) for each in found] == [
        ("project", None),
        ("user", "project"),
    ]
    assert "shadowed by project" in devkit("plugin", "list").stdout
    assert len(data("plugin", "list", "--status", "shadowed")["plugins"]) == 1


def test_none_at_all(devkit, data):
    assert "no plugins" in devkit("plugin", "list").stderr
    assert data("plugin", "list") == {"schema": "plugin-list/1", "plugins": []}


def test_hostile_texts_are_escaped(project, devkit):
    project.plugin("evil", description=r"\u001b[2Jred\u202egpj\u0007")
    for form in ("table", "json", "yaml"):
        out = devkit("plugin", "list", "--format", form).stdout
        assert not any(character in out for character in "\x1b\x07\u202e")
    listed = json.loads(devkit("plugin", "list", "--format", "json").stdout)
    assert listed["plugins"][0]["id"] == "evil"


def test_a_folder_with_a_hostile_name(project, devkit):
    folder = os.fsencode(project.plugins) + b"/evil\x1b[2J\n\xff"
    os.mkdir(folder)
    with open(folder + b"/plugin.toml", "wb"):
        pass
    for form in ("table", "json", "yaml"):
        out = devkit("plugin", "list", "--format", form).stdout
        assert "\x1b" not in out
        assert "evil" in out
    listed = json.loads(devkit("plugin", "list", "--format", "json").stdout)["plugins"]
    assert os.fsencode(listed[0]["folder"]) == folder
    assert len(devkit("plugin", "list").stdout.splitlines()) == 2
    assert devkit("plugin", "check", os.fsdecode(folder), code=1).stdout
    assert devkit("doctor", code=1).stdout


def test_a_damaged_record_hides_nothing(project, devkit):
    project.plugin("one")
    (project.home / "data").mkdir()
    (project.home / "data" / "devkit.lock").write_text("{")
    result = devkit("plugin", "list")
    assert "one" in result.stdout
    assert "damaged" in result.stderr


def test_nothing_heavy_is_imported_with_a_warm_cache(project):
    project.plugin("one")
    then = time.time() - 10  # a file as new as the clock's tick isn't cached
    os.utime(project.plugins / "one" / "plugin.toml", (then, then))
    time.sleep(0.06)  # its change time can't be set
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr))\n"
        "sys.argv[1:] = ['plugin', 'list']\n"
        "from devkit_core.cli.main import run\n"
        "run()\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=project.folder,
            env=project.environ(),
            capture_output=True,
            timeout=60,
            check=True,
        )
    loaded = set(done.stderr.decode().split("\n")[-2].split())
    heavy = {"asyncio", "msgspec", "rich", "packaging", "resolvelib", "tomlkit", "tomllib"}
    assert not loaded & heavy
    assert not loaded & {"importlib_metadata", "filelock"}


def test_completion_names_plugins(project):
    project.plugin("one-plugin", description="Does\tone thing")
    project.plugin("other")
    environ = project.environ(
        COMP_WORDS="devkit plugin info on", COMP_CWORD="3", _DEVKIT_COMPLETE="fish_complete"
    )
    done = project.run(env=environ | {"COMP_WORDS": "devkit plugin info on", "COMP_CWORD": "on"})
    assert b"one-plugin" in done.stdout
    assert b"other" not in done.stdout
    assert done.stderr == b""


def test_directory_option_moves_the_project(project, devkit, tmp_path: Path):
    project.plugin("one")
    (tmp_path / "elsewhere").mkdir()
    assert "one" not in devkit("-C", str(tmp_path / "elsewhere"), "plugin", "list").stdout
