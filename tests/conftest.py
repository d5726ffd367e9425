"""Keeps what steers this run of pytest from the runs that tests start."""

import os


def pytest_configure() -> None:
    os.environ.pop("PYTEST_ADDOPTS", None)  # .ci/run sets it: parallel runs, and a folder of their own
