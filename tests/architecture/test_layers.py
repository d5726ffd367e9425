"""The import contracts of pyproject.toml hold, and every room is in them."""

import subprocess
import sys
import tomllib
from pathlib import Path


def test_the_import_contracts_hold(root):
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_member_is_linted_and_typed(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    packages = {path.parent.name for path in root.glob("devkit_*/**/src/*/__init__.py")}
    assert set(settings["importlinter"]["root_packages"]) == packages
    assert set(settings["mypy"]["packages"]) == packages
    sources = {str(path.parents[1].relative_to(root)) for path in root.glob("devkit_*/**/src/*/__init__.py")}
    assert sources <= set(settings["ruff"]["src"])
    assert sources == set(settings["mypy"]["mypy_path"])
