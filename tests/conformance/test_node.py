"""The Node loader keeps the contract of a loader, with a plugin of plain functions and one of async ones."""

import shutil
from pathlib import Path

import pytest

from devkit_core.api import LoadError
from devkit_core.testing.conformance import LoaderConformance
from devkit_loader_node.runtime import find_path

SOURCE = Path(__file__).parent / "node-plugin"


@pytest.fixture(scope="module", autouse=True)
def node():
    try:
        return find_path()
    except LoadError as error:
        pytest.skip(f"needs Node.js 22.18 or newer: {error.message}")


class TestNode(LoaderConformance):
    plugin = SOURCE
    source_line = "throw new RangeError(argument)"


class TestNodeAsync(TestNode):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The same plugin, whose calls overlap and wait without blocking."""
        target = tmp_path / "project" / "plugins" / "conformance"
        shutil.copytree(self.plugin, target)
        source = (target / "plugin.js").read_text()
        for plain, asynchronous in (
            ("exports.execute = (text) =>", "exports.execute = async (text) =>"),
            (
                "=> Atomics.wait(cell, 0, 0, milliseconds) && value",
                "=> new Promise((resolve) => setTimeout(resolve, milliseconds, value))",
            ),
        ):
            assert plain in source
            source = source.replace(plain, asynchronous)
        (target / "plugin.js").write_text(source)
        return target
