"""Every case of every loader passes or says why it can't be had, and the page says so."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from devkit_core.testing.conformance import LoaderConformance
from devkit_core.testing.matrix import FAILED, NOT_RUN, PASSED, Matrix, cases, column_of

ROOT = Path(__file__).parents[2]


def classes():
    found = {}
    for path in sorted((ROOT / "tests" / "conformance").glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"conformance_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, each in vars(module).items():
            if name.startswith("Test") and issubclass(each, LoaderConformance):
                found[column_of(path.name, name)] = each
    return found


def test_each_loader_has_a_column():
    loaders = {
        path.name for path in (ROOT / "devkit_loaders").iterdir() if (path / "pyproject.toml").is_file()
    }
    assert loaders == {column.partition(" ")[0] for column in classes()}


@pytest.mark.parametrize(("column", "kind"), classes().items(), ids=list(classes()))
def test_every_unsupported_case_is_one_and_has_a_reason(column, kind):
    for name, why in kind.unsupported.items():
        assert name in {*cases(), "pid"}, (
            f"{column}: {name} is no case"
        )  # `pid` is a verb that a case asks for
        assert len(why.split()) >= 4, f"{column}: {name}: {why!r} is no reason"


def test_the_page_is_what_the_classes_promise():
    """CI runs the cases themselves; here the page is held to them without running all again."""
    promised = Matrix.promised(classes())
    assert promised.holes() == []
    assert (ROOT / "docs" / "reference" / "conformance.md").read_text() == promised.page()


def test_holes_are_told():
    matrix = Matrix()
    for case in cases():
        matrix.add("a", case, PASSED)
    assert matrix.holes() == []
    matrix.add("a", "echo", NOT_RUN)
    matrix.add("a", "echo", PASSED)
    matrix.add("a", "state", FAILED)
    matrix.reasons["a", "nul"] = " "
    assert matrix.holes() == ["a: echo: not run", "a: state: FAILS", "a: nul: no reason"]


def test_the_command_runs_a_suite(tmp_path):
    """A suite of which a few cases are asked for: what ran passes, the rest is told as not run."""
    test = tmp_path / "test_own.py"
    test.write_text(
        "from pathlib import Path\n"
        "from devkit_core.testing.conformance import LoaderConformance\n"
        "class TestOwn(LoaderConformance):\n"
        f"    plugin = Path({str(ROOT / 'tests/conformance/python-plugin')!r})\n"
        "    unsupported = {'nul': 'a reason that is given here'}\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    command = [
        sys.executable,
        "-m",
        "devkit_core.testing.matrix",
        str(test),
        "--",
        "-k",
        "test_echo or test_nul",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "own: state: not run" in done.stderr
    assert "| echo | yes |" in done.stdout
    assert "| nul | 1 |" in done.stdout
    assert "1. a reason that is given here" in done.stdout
