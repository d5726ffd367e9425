"""Python plugins that ask for packages, run in their confined workers."""

import os
import subprocess
import sys

import pytest

from devkit_core.api import DevKitError
from devkit_core.cli.exit_codes import exit_code

ASKS = '\n[python]\nrequires = ["{}"]\n'


async def test_the_manifest_asks(index, bench):
    index.add("lower", "1.4")
    source = "import lower\ndef execute(x): return lower.VERSION"
    plugin = await bench.load(source, more=ASKS.format("lower>=1"))
    assert await plugin.execute("") == "1.4"


async def test_the_file_asks_too_and_both_count(index, bench):
    index.add("lower", "1.4")
    index.add("upper", "1.5")
    plugin = await bench.load(
        """\
        # /// script
        # dependencies = ["upper"]
        # ///
        import lower, upper
        def execute(x): return lower.VERSION + upper.VERSION
        """,
        more=ASKS.format("lower"),
    )
    assert await plugin.execute("") == "1.41.5"


async def test_a_script_finds_its_packages(index, bench):
    index.add("lower", "1.4")
    plugin = await bench.load(
        "import sys, lower\nprint(lower.VERSION, sys.argv[2])\n", more=ASKS.format("lower")
    )
    assert await plugin.execute("x") == "1.4 x"


async def test_two_plugins_have_two_versions_and_a_third_none(index, bench):
    index.add("lower", "1.0")
    index.add("lower", "2.0")
    source = "import lower\ndef execute(x): return lower.VERSION"
    one = await bench.load(source, id="one", more=ASKS.format("lower<2"))
    two = await bench.load(source, id="two", more=ASKS.format("lower>=2"))
    assert [await one.execute(""), await two.execute("")] == ["1.0", "2.0"]
    with pytest.raises(DevKitError, match="No module named 'lower'"):
        await bench.load(source, id="three")


async def test_an_extension_module_loads_and_the_host_is_not_seen(index, bench):
    index.add_installed("msgspec")
    plugin = await bench.load(
        """\
        import importlib.util, msgspec, msgspec._core
        def execute(x):
            return msgspec.json.encode([msgspec._core.__file__, importlib.util.find_spec("pluggy") is None])
        """,
        more=ASKS.format("msgspec"),
    )
    answer = (await plugin.execute("")).decode()
    assert str(bench.manager.places.cache) in answer
    assert answer.endswith("true]")


async def test_the_plugins_folder_and_the_standard_library_come_first(index, bench):
    index.add("lower", files={"lower.py": "X = 'package'", "json.py": "raise SystemExit"})
    plugin = await bench.load(
        "import json, lower\ndef execute(x): return json.dumps(lower.X)",
        more=ASKS.format("lower"),
        lower="X = 'shipped'",
    )
    assert await plugin.execute("") == '"shipped"'


async def test_pth_files_are_not_executed_and_packages_cant_be_changed(index, bench):
    index.add("lower", files={"lower.py": "X = 1", "lower.pth": "import sys; sys.lower = 1\n"})
    plugin = await bench.load(
        """\
        import os, sys, lower
        def execute(x):
            found = [hasattr(sys, "lower")]
            for name in (lower.__file__, os.path.dirname(lower.__file__) + "/new.py"):
                try:
                    open(name, "a")
                except OSError as error:
                    found.append(type(error).__name__)
            return repr(found)
        """,
        more=ASKS.format("lower"),
    )
    assert await plugin.execute("") == "[False, 'PermissionError', 'PermissionError']"


async def test_what_cant_be_had_names_the_plugin_and_the_key(index, bench):
    with pytest.raises(DevKitError) as caught:
        await bench.load("def execute(x): return x", more=ASKS.format("nowhere"))
    error = caught.value
    assert (error.code, error.plugin, exit_code(error)) == ("python-packages-unavailable", "plugin", 7)
    assert error.place.path.endswith("plugins/plugin/plugin.toml")
    assert error.place.key == "python.requires"


async def test_the_command_says_that_it_fetches(index, tmp_path, bench):
    index.add("lower")
    bench.write("import lower\ndef execute(x): return lower.VERSION", more=ASKS.format("lower"))
    slow = tmp_path / "bin" / "uv"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 1.5\nexec "{sys.executable}" -I -m uv "$@"\n')
    slow.chmod(0o755)
    environ = {
        **os.environ,
        "DEVKIT_HOME": str(tmp_path / "other"),
        "PATH": f"{slow.parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, "-c", "from devkit_core.cli.main import run; run()", "plugin", "run", "plugin"]
    ran = subprocess.run(command, cwd=bench.root, env=environ, capture_output=True, text=True, check=False)
    if "No module named uv" in ran.stderr:
        pytest.skip("needs uv")
    assert (ran.stdout, ran.returncode) == ("1.0", 0)
    assert ran.stderr == "plugin: fetching lower\n"


async def test_the_real_index(bench):
    source = """\
        # /// script
        # dependencies = ["markupsafe>=3", "tree-sitter", "tree-sitter-rust"]
        # ///
        import markupsafe._speedups, tree_sitter, tree_sitter_rust

        def execute(x):
            parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
            return str(parser.parse(x.encode()).root_node) + markupsafe.escape("<")
        """
    try:
        plugin = await bench.load(source)
    except DevKitError as error:
        if error.code != "python-packages-unavailable":
            raise
        pytest.skip(f"needs a package index: {error.message}")
    answer = await plugin.execute("fn main() {}")
    assert answer.startswith("(source_file (function_item")
    assert answer.endswith("&lt;")
