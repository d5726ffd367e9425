"""Runs the conformance suite over loaders and shows loader by case.

    python -m devkit_core.testing.matrix tests/conformance --write docs/reference/conformance.md

Each class of the tests that subclasses LoaderConformance is a column, each case a row. What pytest is to be
given more stands after `--`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devkit_core.testing.conformance import UNSUPPORTED, LoaderConformance

__all__ = ["Matrix", "cases", "main"]

PASSED = "yes"
FAILED = "FAILS"
NOT_RUN = "not run"
HEAD = """\
# What each loader keeps of the contract

Made by `python -m devkit_core.testing.matrix tests/conformance --write docs/reference/conformance.md`,
which runs the conformance suite of `devkit_core.testing` over every loader, or over each form of plugin
where a loader takes several. `yes` means that the case passes. A number leads to why that kind of plugin
can't have it.
"""


def cases() -> list[str]:
    """Return the cases of the suite, in its order."""
    return [name.removeprefix("test_") for name in vars(LoaderConformance) if name.startswith("test_")]


@dataclass
class Matrix:
    """What came of each case in each column; `reasons` says why a case isn't to be had."""

    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, column: str, case: str, outcome: str) -> None:
        """Note one outcome; of several of a case, as with parameters, the worst counts."""
        row = self.cells.setdefault(column, {})
        rank = (PASSED, NOT_RUN, FAILED)
        if case not in row or rank.index(outcome) > rank.index(row[case]):
            row[case] = outcome

    def holes(self) -> list[str]:
        """Return what neither passed nor is said why: failures, what wasn't run, reasons that are empty."""
        found = [
            f"{column}: {case}: {NOT_RUN if outcome is None else outcome}"
            for column, row in self.cells.items()
            for case in cases()
            if (column, case) not in self.reasons and (outcome := row.get(case)) != PASSED
        ]
        return found + [
            f"{c}: {case}: no reason" for (c, case), why in self.reasons.items() if not why.strip()
        ]

    def page(self) -> str:
        """Return the matrix as a page of Markdown."""
        columns = sorted({*self.cells, *(column for column, _ in self.reasons)})
        numbers: dict[str, int] = {}
        rows = []
        for case in cases():
            cells = []
            for column in columns:
                why = self.reasons.get((column, case))
                if why is None:
                    cells.append(self.cells.get(column, {}).get(case, NOT_RUN))
                else:
                    cells.append(str(numbers.setdefault(why, len(numbers) + 1)))
            rows.append(f"| {case.replace('_', ' ')} | {' | '.join(cells)} |")
        lines = [
            HEAD,
            f"| case | {' | '.join(columns)} |",
            "|---|" + "---|" * len(columns),
            *rows,
            "",
            *(f"{number}. {why}" for why, number in numbers.items()),
        ]
        return "\n".join(lines) + "\n"

    @classmethod
    def promised(cls, classes: Mapping[str, type[LoaderConformance]]) -> Matrix:
        """Return the matrix that these classes promise, where all their cases pass; runs nothing."""
        made = cls()
        for column, each in classes.items():
            for case in cases():
                if case in each.unsupported:
                    made.reasons[column, case] = each.unsupported[case]
                else:
                    made.add(column, case, PASSED)
        return made


def column_of(path: str, name: str) -> str:
    """Return the column of a test class: the module's loader, and the form where the class names one."""
    loader = Path(path).stem.removeprefix("test_")
    form = re.sub("(?<!^)(?=[A-Z])", " ", name.removeprefix("Test")).lower()
    return form if form.startswith(loader) else f"{loader} {form}"


class _Recorder:
    """A pytest plugin that notes what came of each case."""

    def __init__(self) -> None:
        self.matrix = Matrix()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path, *rest = report.nodeid.split("::")
        if len(rest) != 2:
            return
        column, case = column_of(path, rest[0]), rest[1].partition("[")[0].removeprefix("test_")
        if case not in cases():
            return
        why = next((str(value) for key, value in report.user_properties if key == UNSUPPORTED), None)
        if why is not None:
            self.matrix.reasons[column, case] = why
        elif report.skipped:
            self.matrix.add(column, case, NOT_RUN)
        elif report.failed:
            self.matrix.add(column, case, FAILED)
        elif report.when == "call":
            self.matrix.add(column, case, PASSED)


def run(paths: Iterable[str], more: Sequence[str] = ()) -> Matrix:
    """Run the suite of these files or folders and return what came of it."""
    recorder = _Recorder()
    # pytest warns that the suite was imported before it could rewrite its asserts: the answers are the same
    quiet = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
    pytest.main([*paths, "-q", "-p", "no:cacheprovider", "-W", quiet, *more], plugins=[recorder])
    return recorder.matrix


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the matrix, or write it; return 1 where a case failed, wasn't run, or lacks its reason."""
    parser = argparse.ArgumentParser(prog="python -m devkit_core.testing.matrix", description=__doc__)
    parser.add_argument("paths", nargs="+", help="test files or folders")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page; only one without holes")
    given = list(sys.argv[1:] if arguments is None else arguments)
    own, more = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    options = parser.parse_args(own)
    matrix = run(options.paths, more)
    holes = matrix.holes()
    for hole in holes:
        print(hole, file=sys.stderr)
    if options.write is None:
        print(matrix.page(), end="")
    elif matrix.cells and not holes:
        options.write.write_text(matrix.page(), encoding="utf-8")
    return 0 if matrix.cells and not holes else 1


if __name__ == "__main__":
    sys.exit(main())
