"""The Python loader keeps the contract of a loader."""

from pathlib import Path

from devkit_core.testing.conformance import LoaderConformance


class TestPython(LoaderConformance):
    plugin = Path(__file__).parent / "python-plugin"
    source_line = "raise ValueError(argument)"
