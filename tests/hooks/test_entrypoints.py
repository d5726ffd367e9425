"""The scan for entry points and its cache."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from devkit_core.hooks import entrypoints
from devkit_core.hooks.entrypoints import EXTENSIONS, LOADERS, EntryPoint, scan

NUMBERS = json.dumps(dict.fromkeys(["group", "name", "distribution", "version", "value"], 3))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def install(site: Path, name: str, text: str, version: str = "1.0") -> Path:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(text)
    return folder


def test_finds_both_groups_in_order(site):
    install(site, "z-dist", f"[{LOADERS}]\nlua = z.hooks\n[console_scripts]\nx = y:z\n")
    install(site, "a-dist", f"[{EXTENSIONS}]\nb = b.hooks:Thing\na = a.hooks\n", "2.0")
    assert scan(path=[str(site)]) == (
        EntryPoint(EXTENSIONS, "a", "a-dist", "2.0", "a.hooks"),
        EntryPoint(EXTENSIONS, "b", "a-dist", "2.0", "b.hooks:Thing"),
        EntryPoint(LOADERS, "lua", "z-dist", "1.0", "z.hooks"),
    )


def test_the_first_of_a_distribution_on_the_path_counts(site, tmp_path):
    install(site, "my-dist", f"[{EXTENSIONS}]\na = new\n", "2.0")
    install(tmp_path / "old", "my-dist", f"[{EXTENSIONS}]\na = old\nb = old\n", "1.0")
    assert [each.value for each in scan(path=[str(site), str(tmp_path / "old")])] == ["new"]


def test_broken_metadata_hides_no_other(site):
    install(site, "good", f"[{EXTENSIONS}]\ngood = good\n")
    broken = install(site, "broken", f"[{EXTENSIONS}]\nbad = bad\n")
    (broken / "METADATA").unlink()
    (install(site, "binary", "") / "entry_points.txt").write_bytes(b"\xff\xfe[devkit.extensions]")
    (install(site, "odd", f"[{EXTENSIONS}]\nno equals sign\n[[[\n"))
    found = {each.name: each.problem for each in scan(path=[str(site)])}
    assert found["good"] == ""


def test_a_cache_serves_until_the_path_changes(site, tmp_path, monkeypatch):
    cache = tmp_path / "cache/entry-points.json"
    install(site, "one", f"[{EXTENSIONS}]\none = one\n")
    first = scan(cache, [str(site)])
    monkeypatch.setattr(entrypoints, "_read_metadata", lambda path: pytest.fail("was scanned again"))
    assert scan(cache, [str(site)]) == first
    monkeypatch.undo()
    install(site, "two", f"[{EXTENSIONS}]\ntwo = two\n")
    assert [each.name for each in scan(cache, [str(site)])] == ["one", "two"]


def test_environments_that_share_a_cache_keep_a_scan_each(site, tmp_path, monkeypatch):
    cache = tmp_path / "entry-points.json"
    paths = [[str(site)], [str(site), str(tmp_path / "none")]]
    install(site, "one", f"[{EXTENSIONS}]\none = one\n")
    for path in paths:
        scan(cache, path)
    monkeypatch.setattr(entrypoints, "_read_metadata", lambda path: pytest.fail("was scanned again"))
    for path in paths:
        assert len(scan(cache, path)) == 1


@pytest.mark.parametrize("content", [
    "", "{", "[]", "null", '{"format": 0}', '{"format": 1}', "[" * 100_000, '{"format": 1, "scans": 3}',
    '{"format": 1, "scans": [3]}', '{"format": 1, "scans": [{"key": KEY, "found": 3}]}',
    '{"format": 1, "scans": [{"key": KEY, "found": [3]}]}',
    '{"format": 1, "scans": [{"key": [], "found": []}]}',
    '{"format": 1, "scans": [{"key": KEY, "found": [{"group": 3}]}]}',
    '{"format": 1, "scans": [{"key": KEY, "found": [' + NUMBERS + ']}]}',
])  # fmt: skip
def test_a_damaged_cache_is_ignored_and_mended(site, tmp_path, content):
    cache = tmp_path / "entry-points.json"
    install(site, "one", f"[{EXTENSIONS}]\none = one\n")
    expected = scan(cache, [str(site)])
    key = json.dumps(json.loads(cache.read_text())["scans"][0]["key"])
    cache.write_text(content.replace("KEY", key))
    cache.chmod(0o600)
    assert scan(cache, [str(site)]) == expected
    assert json.loads(cache.read_text())["scans"][0]["found"]


def test_a_cache_that_others_can_write_is_ignored(site, tmp_path):
    cache = tmp_path / "entry-points.json"
    install(site, "one", f"[{EXTENSIONS}]\none = one\n")
    scan(cache, [str(site)])
    cache.write_text(cache.read_text().replace('"one"', '"evil"'))
    cache.chmod(0o666)
    assert [each.name for each in scan(cache, [str(site)])] == ["one"]


def test_a_cache_that_can_not_be_written_is_no_error(site, tmp_path):
    install(site, "one", f"[{EXTENSIONS}]\none = one\n")
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file/x.json", Path("/proc/x.json"), site):
        assert len(scan(cache, [str(site)])) == 1


def test_folders_that_are_missing_are_no_matter(tmp_path):
    os.chdir(tmp_path)
    assert scan(tmp_path / "c.json", [str(tmp_path / "none"), "", "bad\0path"]) == ()


def test_the_python_loader_of_this_environment_is_found():
    found = {each.name: each.distribution for each in scan(path=sys.path) if each.group == LOADERS}
    assert found["python"] == "devkit-loader-python"
