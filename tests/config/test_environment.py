"""Every variable is declared once, read somewhere, and documented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import devkit_core
from devkit_core.config import environment
from devkit_core.config.environment import field_variable, flag, variables
from devkit_core.config.schema import settings

SOURCES = Path(devkit_core.__file__).parent
ROOT = Path(__file__).parents[2]


def test_each_setting_has_its_variable():
    names = {each.name: each.setting for each in variables()}
    assert len(names) == len(variables())
    for each in settings():
        assert names[field_variable(each.name)] == each.name


def test_no_source_names_a_variable_itself():
    """The names stand in environment.py alone; others import them."""
    strays = []
    for path in SOURCES.rglob("*.py"):
        if path == Path(environment.__file__):
            continue
        for name in re.findall(r"""["'](DEVKIT_[A-Z_]+)["']""", path.read_text()):
            strays.append(f"{path.relative_to(SOURCES)}: {name}")
    assert strays == []


def test_each_variable_of_its_own_is_read_somewhere():
    texts = [path.read_text() for path in SOURCES.rglob("*.py") if path != Path(environment.__file__)]
    for constant in ("DEBUG", "HOME", "NO_INPUT", "PLUGIN_PATH"):
        assert getattr(environment, constant) in {each.name for each in variables()}
        assert any(re.search(rf"import .*\b{constant}\b", text) for text in texts), constant


def test_the_reference_has_every_setting_and_variable():
    page = (ROOT / "docs/reference/configuration.md").read_text()
    for each in settings():
        named = {True: "true", False: "false", (): "[]"}
        default = each.default if each.kind in (int, float) else named.get(each.default, each.default)
        default = json.dumps(default) if isinstance(default, tuple) else default
        default = f'"{default}"' if each.kind is str else f"{default:g}" if each.kind is float else default
        assert f"| `{each.name}` | `{default}` | {each.expects} | {each.doc} |" in page
    for variable in variables():
        if variable.setting is None:
            assert f"| `{variable.name}` | {variable.doc} |" in page


@pytest.mark.parametrize(
    ("text", "on"), [("1", True), ("yes", True), ("", False), ("0", False), ("False", False)]
)
def test_flags(text, on):
    assert flag({"X": text}, "X") is on
    assert flag({}, "X") is False
