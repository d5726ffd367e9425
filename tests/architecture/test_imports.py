"""What is imported before it is needed: nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = {
    "asyncio", "concurrent", "filelock", "importlib_metadata", "jsonschema", "msgspec", "multiprocessing",
    "packaging", "pytest", "resolvelib", "rich", "ssl", "tomlkit", "uvloop", "watchfiles",
}  # fmt: skip
SHOW = "import sys; print('\\n'.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"


def imported(program: str, *flags: str) -> set[str]:
    """The top modules that a program has imported at its end, beyond what Python itself starts with."""
    results = []
    for code in (f"{program}\n{SHOW}", SHOW):
        # -I: no environment variables, no user site, and not this folder
        done = subprocess.run(
            [sys.executable, "-I", *flags, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        results.append(set(done.stderr.split()))
    return results[0] - results[1]


def test_import_devkit_core_is_light():
    assert imported("import devkit_core") & (HEAVY | {"click", "pluggy"}) == set()


@pytest.mark.parametrize("words", [["--help"], ["plugin", "--help"], ["--version"]])
def test_help_is_light(words):
    program = f"""
import sys
from devkit_core.cli.main import run
sys.argv = ["devkit", *{words!r}]
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert imported(program) & HEAVY == set()


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
