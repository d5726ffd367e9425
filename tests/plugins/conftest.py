"""Gives a test module the modules of one plugin, imported as a worker does: by its folder on sys.path."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"


class Import(Protocol):
    def __call__(self, module: str) -> ModuleType: ...


@pytest.fixture(scope="module")
def plugin_folder(request: pytest.FixtureRequest) -> Path:
    return PLUGINS / request.module.PLUGIN


@pytest.fixture(scope="module")
def module(plugin_folder: Path) -> Iterator[Import]:
    """Import a module of the plugin that the test module names in PLUGIN; undone after the module's tests."""
    before = set(sys.modules)
    sys.path.insert(0, str(plugin_folder))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(plugin_folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(plugin_folder)):
                del sys.modules[name]
