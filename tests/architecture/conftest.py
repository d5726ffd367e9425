"""What the architecture tests walk: the members, their modules, the tracked files."""

import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [path.parent for path in sorted(ROOT.glob("devkit_*/**/src/*/__init__.py"))]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in package.rglob("*.py"))


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """The files of the tree as git sees them: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """Python 3.11 counts the depth of a syntax tree once for all: code that a collection runs confuses it."""
    was = gc.isenabled()
    gc.disable()
    yield
    if was:
        gc.enable()
