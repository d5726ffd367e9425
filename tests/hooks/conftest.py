"""Modules as extensions bring them, made in a test."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from devkit_core.hooks.entrypoints import EXTENSIONS, EntryPoint

Make = Callable[..., EntryPoint]


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Write a module that can be imported, and return the entry point that names it."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def make(name: str, source: str, group: str = EXTENSIONS) -> EntryPoint:
        unique = f"{name.replace('-', '_')}_{tmp_path.name.replace('-', '_')}"
        (folder / f"{unique}.py").write_text(f"from devkit_core.api import *\n{source}")
        monkeypatch.delitem(sys.modules, unique, raising=False)
        return EntryPoint(group, name, f"dist-{name}", "1.0", unique)

    return make


@pytest.fixture
def plugin() -> Callable[..., types.ModuleType]:
    """Return a module object with the hook implementations that a source text defines."""

    def make(source: str, name: str = "given") -> types.ModuleType:
        found = types.ModuleType(name)
        exec(compile(f"from devkit_core.api import *\n{source}", f"{name}.py", "exec"), vars(found))
        return found

    return make
