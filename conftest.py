"""Stops early where the members are not installed; fails skips for toolchains that have to be there."""

import os
import re
from collections.abc import Generator

import pytest

import devkit_core

# Without an install, `import devkit_core` at the root finds the folder of that name, an empty namespace.
if devkit_core.__file__ is None:
    pytest.exit(
        "devkit_core is not installed; run: python3 -m pip install -r requirements-dev.txt", returncode=2
    )

_REQUIRED = pytest.StashKey[dict[str, re.Pattern[str]]]()

#: the toolchains that DEVKIT_REQUIRE may name, and how a skip says that one is missing
TOOLCHAINS = {
    "cc": r"needs (gcc|cc)\b",
    "c++": r"needs g\+\+",
    "make": r"needs make\b",
    "zlib": r"needs zlib\.h",
    "clang": r"needs clang\b",
    "wasm-c": r"needs (clang\b|wasm-ld|wasi-libc)",
    "nm": r"needs nm\b",
    "git": r"needs git\b",
    "openssl": r"needs openssl\b",
    "strace": r"needs strace\b",
    "perl": r"needs perl\b",
    "node": r"(?i)needs node(\.js)?\b",
    "watchfiles": r"watchfiles is not installed",
}


def pytest_configure(config: pytest.Config) -> None:
    """Read DEVKIT_REQUIRE: what is named there has to be here, so a test may not skip for want of it."""
    named = [name for name in os.environ.get("DEVKIT_REQUIRE", "").split(",") if name]
    unknown = sorted(set(named) - set(TOOLCHAINS))
    if unknown:
        raise pytest.UsageError(f"DEVKIT_REQUIRE names {', '.join(unknown)}; known: {', '.join(TOOLCHAINS)}")
    config.stash[_REQUIRED] = {name: re.compile(TOOLCHAINS[name]) for name in named}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skips for want of a toolchain that has to be here."""
    report = yield
    _demand(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips as a whole, likewise."""
    report = yield
    _demand(collector.config, report)
    return report


def _demand(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2]
        for name, missing in config.stash[_REQUIRED].items():
            if missing.search(reason):
                report.outcome = "failed"
                report.longrepr = f"DEVKIT_REQUIRE names {name}, and yet: {reason}"
                return
