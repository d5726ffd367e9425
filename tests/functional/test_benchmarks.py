"""The benchmarks still run, and tell all they should; their figures are nobody's business here."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIELDS = {
    *("what", "metric", "DevKit", "peer", "peer_name", "measure", "value", "ratio", "bar", "met", "versions"),
}


@pytest.fixture(scope="module")
def results():
    command = [sys.executable, BENCHMARKS / "run.py", "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=115, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_row_of_a_short_round_has_its_fields(results):
    assert results["schema"] == "benchmarks/1"
    assert results["machine"]["python"]
    for name, family in results["families"].items():
        assert family["rows"], name
        for row in family["rows"]:
            assert set(row) == FIELDS
            assert row["DevKit"] is not None or family["skipped"], (name, row)
            assert row["met"] is None or row["value"] is not None


def test_a_short_round_measures_devkit_and_the_floors(results):
    figures = results["families"]["calls"]["figures"]
    for who in ("DevKit, asyncio", "DevKit, blocking", "floor: asyncio BufferedProtocol"):
        assert figures[who]["100 B one at a time, µs"][0] > 0
        assert figures[who]["100 B one at a time, p99 µs"][0] > 0


def test_a_short_round_says_what_it_left_out(results):
    skipped = results["families"]["calls"]["skipped"]
    assert skipped["go-plugin net/rpc"] == "left out of a quick run"


@pytest.fixture
def show(monkeypatch):
    """The modules that show results."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield {name: _module(name) for name in ("chart", "pages")}
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _module(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_has_every_row(results, show):
    page = "\n".join(show["pages"].page(results))
    for family in results["families"].values():
        assert f"## {family['title']}" in page
        for row in family["rows"]:
            assert f"| {row['what']} |" in page


def test_the_chart_is_svg_with_a_title_and_all_figures_in_words(results, show):
    root = ElementTree.fromstring(show["chart"].draw(results["families"]))
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.find(f"{space}title").text
    assert "DevKit, asyncio" in root.find(f"{space}desc").text
    assert "prefers-color-scheme: dark" in root.find(f"{space}style").text


def test_results_of_other_families_stay(results, show, tmp_path, monkeypatch):
    pages = show["pages"]
    for name in ("DATA", "PAGE", "CHART"):
        monkeypatch.setattr(pages, name, tmp_path / name)
    families = results["families"]
    pages.write({**results, "families": {"calls": families["calls"]}})
    broken = {"failed": {"node": "why"}}
    pages.write({**results, "families": {"commands": families["commands"], "node": broken}})
    assert set(json.loads((tmp_path / "DATA").read_text())["families"]) == {"calls", "commands"}
    assert families["calls"]["title"] in (tmp_path / "PAGE").read_text()
