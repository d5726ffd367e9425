"""The reference's lists are the code's: events, frames, features, host calls, errors, settings."""

import importlib.util
import re
from pathlib import Path

import pytest

from devkit_core.config.schema import settings
from devkit_core.events.bus import EventKind
from devkit_core.protocol.frames import Flag, Kind
from devkit_core.protocol.handshake import FEATURES, STREAM_WINDOW, VERSION, welcome
from devkit_core.running import host_services
from devkit_core.workers import failures, relay

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ERRORS = ROOT / "devkit_core/src/devkit_core/data/errors"
PROTOCOL = (DOCS / "reference/worker-protocol.md").read_text()


def section(page, heading):
    return page.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text):
    """The cells of each row of a section's tables, heads included."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


def test_the_python_reference_is_up_to_date():
    path = ROOT / "tools/generate_python_reference.py"
    spec = importlib.util.spec_from_file_location("generate_python_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (DOCS / "reference/python.md").read_text()
    assert written == module.page(), "run python tools/generate_python_reference.py"


def test_every_event_is_listed_once():
    page = (DOCS / "reference/events.md").read_text()
    listed = [row[0].strip("`") for row in rows(page) if row[0].startswith("`")]
    assert sorted([*listed, EventKind.EVENTS_MISSED]) == sorted(EventKind)
    assert f"`{EventKind.EVENTS_MISSED}`" in page


def test_every_frame_has_its_number():
    listed = {row[0]: row[1:3] for row in rows(section(PROTOCOL, "Frames")) if row[0].isupper()}
    kinds = {name: int(cells[0]) for name, cells in listed.items() if cells[1] in {"host", "worker", "both"}}
    flags = {name: int(cells[0]) for name, cells in listed.items() if name not in kinds}
    assert kinds == {kind.name: kind.value for kind in Kind}
    assert flags | {"MEMORY": 32} == {flag.name: flag.value for flag in Flag}
    assert "the flag MEMORY (32)" in PROTOCOL.replace("\n", " ")


def test_every_feature_is_named():
    assert f"# The worker protocol, version {VERSION}\n" in PROTOCOL
    named = re.search(r"Both use only the `features` that both named:(.*?)\.\n", PROTOCOL, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`([a-z-]+)`", named[1])) == FEATURES


def test_what_welcome_holds_is_said():
    row = next(row for row in rows(section(PROTOCOL, "Frames")) if row[0] == "WELCOME")
    said = welcome(frozenset(), 1)
    assert set(re.findall(r"`(\w+)`", row[3])) == set(re.findall(r'"(\w+)":', said.decode("latin-1")))
    assert STREAM_WINDOW == 1 << 20


def test_every_host_call_is_listed():
    known = set(re.findall(r'case "([a-z.]+)":', Path(host_services.__file__).read_text()))
    listed = {row[0].strip("`") for row in rows(section(PROTOCOL, "Calls to the host"))[2:]}
    assert listed == known


def test_every_code_of_a_worker_is_listed():
    listed = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", section(PROTOCOL, "Errors"))) - {
        "code", "kind", "message", "traceback"
    }  # fmt: skip
    assert listed == {"plugin-raised", "payload-too-large", *failures._LIMITS, *failures._CLASSES}


def test_every_kind_of_the_network_has_its_number():
    listed = {row[0]: int(row[1]) for row in rows(section(PROTOCOL, "The network")) if row[0].isupper()}
    assert listed == {name: getattr(relay, f"_{name}") for name in listed}
    assert sorted(listed.values()) == list(range(1, len(listed) + 1))


def test_what_a_projects_file_may_not_loosen_is_said():
    page = (DOCS / "reference/configuration.md").read_text()
    said = set(re.findall(r"`(\w+)(?: = \w+)?`", section(page, "What a project's file may not say")))
    assert said >= {each.name for each in settings() if each.loosens is not None} | {"plugin_dir"}


@pytest.mark.parametrize("page", ["tutorials/embed-devkit.md", "reference/limits.md"])
def test_the_codes_in_tables_have_pages(page):
    known = {path.stem for path in ERRORS.glob("*.md")} | {each.value for each in EventKind}
    named = [
        code
        for row in rows((DOCS / page).read_text())
        for code in re.findall(r"`([a-z]+-[a-z-]+)`", row[-1] + row[0])
    ]
    assert named
    assert set(named) - known == set()
