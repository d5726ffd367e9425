"""The Node loader keeps the contract of a loader, with a plugin of plain functions."""

from pathlib import Path

from devkit_core.testing.conformance import LoaderConformance


class TestNode(LoaderConformance):
    plugin = Path(__file__).parent / "node-plugin"
    source_line = "throw new RangeError(argument)"
