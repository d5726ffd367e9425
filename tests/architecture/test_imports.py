"""What is imported before it is needed: nothing heavy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "asyncio", "concurrent", "filelock", "importlib_metadata", "jsonschema", "msgspec", "multiprocessing",
    "packaging", "pytest", "resolvelib", "rich", "ssl", "tomlkit", "uvloop", "watchfiles",
}  # fmt: skip
SHOW = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}), sep='\\n', file=sys.stderr)"


def imported(program: str, *flags: str, home: Path | None = None, cwd: Path | None = None) -> set[str]:
    """The top modules that a program has imported at its end, beyond what Python itself starts with."""
    environment = {"PATH": os.defpath, "HOME": str(home), "DEVKIT_HOME": str(home), "LANG": "C.UTF-8"}
    results = []
    for code in (f"{program}\n{SHOW}", SHOW):
        # -I: no variables of Python's, no user site, and not this folder
        command = [sys.executable, "-I", *flags, "-c", code]
        done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        results.append(set(done.stderr.split()))
    return results[0] - results[1]


def test_import_devkit_core_is_light():
    assert imported("import devkit_core") & (HEAVY | {"click", "pluggy"}) == set()


def command(*words: str) -> str:
    return f"""
import sys
from devkit_core.cli.main import run
sys.argv = ["devkit", *{words!r}]
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("words", [["--help"], ["plugin", "--help"], ["--version"], ["plugin", "list"]])
def test_commands_that_only_look_are_light(words, tmp_path, root):
    """With warm caches: the first run of any command fills that of the entry points."""
    imported(command(*words), home=tmp_path, cwd=root)
    assert imported(command(*words), home=tmp_path, cwd=root) & HEAVY == set()


@pytest.mark.parametrize("words", [["--help"], ["plugin", "--help"], ["--version"]])
def test_help_needs_no_more_than_the_scan_for_entry_points_when_caches_are_cold(words, tmp_path, root):
    assert imported(command(*words), home=tmp_path, cwd=root) & HEAVY <= {"importlib_metadata"}


def test_the_workers_side_is_standard_library_only(modules):
    """The code of `child` runs without site-packages, and so without anything of ours."""
    child = [path for path in modules if path.parent.name == "child" and path.name != "__init__.py"]
    assert child
    program = (
        "import sys; from importlib.util import find_spec\n"
        f"sys.path.insert(0, {str(child[0].parents[2])!r})\n"
        f"for name in {[path.stem for path in child]!r}: __import__('devkit_core.child.' + name)"
    )
    assert imported(program, "-S") - set(sys.stdlib_module_names) <= {"devkit_core"}
