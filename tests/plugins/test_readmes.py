"""Every example of every Python plugin's README answers what the README shows.

Plugins that have to be built first are built by tests of their own, which run the examples too.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples():
    for readme in sorted(PLUGINS.glob("*/README.md")):
        if not readme.with_name("plugin.py").exists():
            continue
        for block in _BLOCK.findall(readme.read_text()):
            for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = example.partition("\n")
                yield pytest.param(readme.parent, command, shown, id=f"{readme.parent.name}: {command[:50]}")


@pytest.mark.parametrize(("folder", "command", "shown"), list(examples()))
def test_example(folder, command, shown):
    words = shlex.split(command)
    if words[:3] == ["devkit", "plugin", "run"]:
        assert words[3] == folder.name
        words = ["python3", "plugin.py", "execute", words[4]]
    assert words[:2] == ["python3", "plugin.py"], f"the test knows no such command: {command}"
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == shown


def test_every_plugin_has_a_readme():
    for manifest in PLUGINS.glob("*/plugin.toml"):
        readme = (manifest.parent / "README.md").read_text()
        assert readme.startswith(f"# {manifest.parent.name}\n")
        assert _BLOCK.search(readme), f"{manifest.parent.name}: no example"
