"""`devkit stubs` writes types that a type checker believes, whatever a manifest says."""

import ast
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import devkit_core

FUNCTIONS = r"""
[functions.add]
description = "Adds numbers\nor \"\"\"tries\"\"\" to\\"
[functions.add.input]
type = "object"
required = ["of"]
properties.of = {type = "array", items = {type = "number"}}
properties.how = {enum = ["exact", "fast", 3], description = "which way"}
[functions.add.output]
type = ["integer", "null"]

[functions.list]
description = "Lists what there is"
[functions.list.output]
type = "array"
items.anyOf = [{type = "string"}, {type = "object", additionalProperties = {type = "boolean"}}]

[functions.tree]
[functions.tree.input]
"$ref" = "#/$defs/node"
"$defs".node.type = "object"
"$defs".node.required = ["value"]
"$defs".node.properties = {value = {}, "left-hand" = {"$ref" = "#/$defs/node"}}
[functions.tree.output]
"$ref" = "#/$defs/rows"
"$defs".rows = {type = "array", items = {"$ref" = "#/$defs/rows"}}

[functions.import]
"""
HOST = """
from devkit_core import PluginManager, plugins
from devkit_core.plugins import adder, other

async def main(manager: PluginManager) -> None:
    with plugins.bind(manager):
        total = await adder.add({"of": [1, 2.5], "how": "fast"}, timeout=3)
        if total is not None:
            total.bit_length()
        for each in await adder.list():
            print(each.upper() if isinstance(each, str) else each["key"] is True)
        for rows in await adder.tree({"value": 1, "left-hand": {"value": []}}):
            rows.append([])
        await adder.import_({"list": [1], "other": []})
        text = await adder.execute("x")
        assert isinstance(text, str)
        await other.anything({"a": 1})
"""
WRONG = """
from devkit_core.plugins import adder

async def main() -> None:
    await adder.add({"off": [1]})
    await adder.add({"of": ["x"]})
    await adder.add({"of": [], "how": "slowly"})
    (await adder.list()).upper()
    await adder.absent()
    await adder.tree({"left-hand": {}})
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> tuple[Path, Path]:
    """An environment that has devkit-core, and its folder of packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    home = Path(devkit_core.__file__).parents[1]
    (packages / "devkit.pth").write_text(f"{home}\n")
    return folder / "bin" / "python", packages


def check(environment, folder: Path, text: str) -> str:
    pytest.importorskip("mypy")
    (folder / "host.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent"]
    command += [
        f"--python-executable={environment[0]}",
        f"--cache-dir={environment[1].parent}/cache",
        "host.py",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def test_a_type_checker_believes_them(project, data, environment):
    project.plugin("adder", more=FUNCTIONS)
    written = data("stubs", "adder", "--out", str(environment[1]))
    assert [row["id"] for row in written["stubs"]] == ["adder"]
    assert check(environment, project.folder, HOST) == ""
    wrong = check(environment, project.folder, WRONG)
    assert [int(line.split(":")[1]) for line in wrong.splitlines() if "error" in line] == [
        5,
        5,
        6,
        7,
        8,
        9,
        10,
    ]


def test_what_is_written(project, devkit):
    project.plugin("adder", more=FUNCTIONS)
    devkit("stubs", "--out", "types")
    folder = project.folder / "types" / "devkit_core-stubs"
    assert (folder / "py.typed").read_text() == "partial\n"
    text = (folder / "plugins" / "adder.pyi").read_text()
    module = ast.parse(text)
    functions = {each.name: each for each in module.body if isinstance(each, ast.AsyncFunctionDef)}
    assert set(functions) == {"execute", "add", "list", "tree", "import_"}
    assert ast.get_docstring(functions["add"]) == 'Adds numbers\nor """tries""" to\\'
    assert "builtins.list[str | dict[str, bool]]" in text


def test_stubs_of_plugins_that_are_gone_go_and_strangers_files_stay(project, devkit):
    project.plugin("adder", more=FUNCTIONS)
    project.plugin("second-one")
    devkit("stubs", "--out", "types")
    folder = project.folder / "types" / "devkit_core-stubs" / "plugins"
    (folder / "mine.pyi").write_text("x: int\n")
    (project.plugins / "adder" / "plugin.toml").unlink()
    devkit("stubs", "second-one", "--out", "types")
    assert (folder / "adder.pyi").exists()
    devkit("stubs", "--out", "types")
    assert sorted(path.stem for path in folder.iterdir()) == ["__init__", "mine", "second_one"]
    assert "from . import second_one as second_one" in (folder / "__init__.pyi").read_text()


def test_names_that_python_does_not_have(project, devkit):
    project.plugin("7zip")
    project.plugin("bind")
    project.plugin("class")
    done = devkit("stubs", "--out", "types")
    assert 'plugins.Plugin("7zip")' in done.stderr
    folder = project.folder / "types" / "devkit_core-stubs" / "plugins"
    assert sorted(path.stem for path in folder.iterdir()) == ["__init__", "class_"]


def test_a_dry_run_writes_nothing(project, data):
    project.plugin("one")
    assert data("stubs", "--out", "types", "--dry-run")["dry_run"] is True
    assert not (project.folder / "types").exists()


def test_where_nothing_can_be_written(project, devkit):
    project.plugin("one")
    (project.folder / "types").write_text("")
    assert "error[stubs-unwritable]" in devkit("stubs", "--out", "types/inner", code=1).stderr
    assert "error[plugin-not-found]" in devkit("stubs", "absent", code=3).stderr
