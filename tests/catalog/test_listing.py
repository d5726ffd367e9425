"""The listing says what discovery says, and its cache never says anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devkit_core.catalog import listing as module
from devkit_core.catalog.discovery import discover
from devkit_core.catalog.folders import FolderSource
from devkit_core.catalog.listing import Listing
from devkit_core.model.types import PluginStatus


@pytest.fixture
def project(tmp_path, make) -> list[FolderSource]:
    make("p/one", more='[[capabilities]]\ncapability = "code-analysis"\n')
    make("p/two", more="surplus = 1\n")
    make("p/bad", text="[metadata\n")
    make("p/copy", "one")
    make("q/two")
    (tmp_path / "q/fifo").mkdir()
    os.mkfifo(tmp_path / "q/fifo/plugin.toml")
    return [FolderSource("project", 100, tmp_path / "p"), FolderSource("user", 300, tmp_path / "q")]


def listing(tmp_path: Path, stamp: str = "1", **more) -> Listing:
    """A listing whose clock is a minute ahead, so that every file has settled."""
    more.setdefault("clock_ns", lambda: time.time_ns() + 60_000_000_000)
    return Listing(
        tmp_path / "cache/listing.json", stamp, lambda entry, declared: declared or entry[-2:], **more
    )


def cold(monkeypatch):
    monkeypatch.setattr(module, "read_bytes", lambda folder: pytest.fail(f"{folder} was read again"))


def test_rows_say_what_discovery_says(tmp_path, project):
    rows = listing(tmp_path).rows(project)
    found = discover(project)
    assert [(r.id, r.source, r.folder, r.shadowed_by, r.error_code, r.error) for r in rows] == [
        (f.id, f.source, str(f.folder), f.shadowed_by, f.error and f.error.code, f.error and f.error.message)
        for f in found
    ]
    row = next(each for each in rows if each.id == "two" and each.source == "project")
    assert (row.name, row.version, row.description, row.author, row.kind, row.warnings) == (
        "The two", "1.0.0", "Does two", "Me", "py", 1,
    )  # fmt: skip
    assert {each.status for each in rows} == {PluginStatus.ERROR, PluginStatus.DISCOVERED}


def test_the_second_listing_reads_no_manifest_again_and_says_the_same(tmp_path, project, monkeypatch):
    first = listing(tmp_path).rows(project[:1])
    cold(monkeypatch)
    assert listing(tmp_path).rows(project[:1]) == first
    assert ("CodeAnalysis",) in {each.capabilities for each in first}


@pytest.mark.parametrize("change", ["edit", "touch", "replace", "chmod"])
def test_a_changed_file_is_read_again(tmp_path, project, change):
    listing(tmp_path).rows(project)
    path = tmp_path / "p/two/plugin.toml"
    text = path.read_text().replace("Does two", "Does too")
    if change == "replace":
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", path)
    else:
        facts = path.stat()
        path.write_text(text)
        if change == "touch":  # the size and the time of change are made to look the same
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        if change == "chmod":
            path.chmod(0o600)
    assert "Does too" in {each.description for each in listing(tmp_path).rows(project)}


def test_a_file_that_may_change_within_the_clocks_tick_is_not_kept(tmp_path, project, monkeypatch):
    listing(tmp_path, clock_ns=lambda: (tmp_path / "p/one/plugin.toml").stat().st_ctime_ns).rows(project[:1])
    assert not (tmp_path / "cache").exists()


def test_removed_and_new_plugins_are_seen(tmp_path, project, make):
    listing(tmp_path).rows(project)
    (tmp_path / "p/two/plugin.toml").unlink()
    make("p/new")
    assert {each.id for each in listing(tmp_path).rows(project[:1])} == {"bad", "new", "one"}


def test_another_stamp_is_another_cache(tmp_path, project):
    listing(tmp_path, "1").rows(project)
    other = Listing(tmp_path / "cache/listing.json", "2", lambda entry, declared: "new kind")
    assert {each.kind for each in other.rows(project)} == {"new kind", ""}


def test_disabled_ones_are_shown_as_such(tmp_path, project):
    rows = listing(tmp_path, is_enabled=lambda plugin, folder: folder.name != "two").rows(project)
    assert {each.status for each in rows if each.id == "two"} == {PluginStatus.DISABLED}


DAMAGES = [
    "", "{", "null", "[]", '{"format": 1}', '{"format": 1, "stamp": "1", "rows": 3}', "[" * 100_000,
    '{"format": 1, "stamp": "1", "rows": {"PATH": 3}}', '{"format": 1, "stamp": "1", "rows": {"PATH": {}}}',
    '{"format": 2, "stamp": "1", "rows": {}}',
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_ignored_and_mended(tmp_path, project, damage):
    expected = listing(tmp_path).rows(project)
    cache = tmp_path / "cache/listing.json"
    cache.write_text(damage.replace("PATH", str(tmp_path / "p/one")))
    assert listing(tmp_path).rows(project) == expected
    assert json.loads(cache.read_text())["rows"]


@pytest.mark.parametrize("field", ["id", "warnings", "capabilities", "error", "key"])
def test_a_row_that_is_not_shaped_like_one_is_read_again(tmp_path, project, field):
    expected = listing(tmp_path).rows(project)
    cache = tmp_path / "cache/listing.json"
    content = json.loads(cache.read_text())
    content["rows"][str(tmp_path / "p/one")][field] = {"a": 1} if field != "capabilities" else [1]
    cache.write_text(json.dumps(content))
    assert listing(tmp_path).rows(project) == expected


def test_a_strangers_cache_is_ignored(tmp_path, project):
    expected = listing(tmp_path).rows(project)
    cache = tmp_path / "cache/listing.json"
    cache.write_text(cache.read_text().replace("Does two", "Does evil"))
    cache.chmod(0o666)
    assert listing(tmp_path).rows(project) == expected
    evil = tmp_path / "evil.json"
    cache.chmod(0o600)
    os.replace(cache, evil)
    cache.symlink_to(evil)
    assert listing(tmp_path).rows(project) == expected


def test_the_cache_is_this_users_alone(tmp_path, project):
    listing(tmp_path).rows(project)
    cache = tmp_path / "cache/listing.json"
    assert (cache.stat().st_mode & 0o777, cache.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_cache_that_can_not_be_written_is_no_error(tmp_path, project):
    (tmp_path / "cache").touch()
    assert len(listing(tmp_path).rows(project)) == 6
    assert len(Listing(None, "1", lambda entry, declared: "").rows(project)) == 6


def test_processes_that_list_at_once_agree(tmp_path, project):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: listing(tmp_path).rows(project), range(16)))
    assert all(each == results[0] for each in results)
    json.loads((tmp_path / "cache/listing.json").read_text())
    assert [each.name for each in (tmp_path / "cache").iterdir()] == ["listing.json"]


def test_the_cache_is_bounded(tmp_path, project, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 4)
    listing(tmp_path).rows(project[1:])
    listing(tmp_path).rows(project[:1])
    rows = json.loads((tmp_path / "cache/listing.json").read_text())["rows"]
    assert len(rows) == 4
    assert all(path.startswith(str(tmp_path / "p")) for path in rows)


PROGRAM = """
import sys
from pathlib import Path
from devkit_core.catalog.folders import FolderSource
from devkit_core.catalog.listing import Listing
sources = [FolderSource("x", 1, Path(sys.argv[2]))]
rows = Listing(Path(sys.argv[1]), "1", lambda entry, declared: "py").rows(sources)
heavy = {"asyncio", "msgspec", "tomllib", "packaging", "pluggy", "filelock", "rich", "importlib_metadata"}
print(len(rows), sorted(heavy & set(sys.modules)))
"""


def test_a_warm_listing_of_two_hundred_imports_nothing_heavy(tmp_path, make):
    for number in range(200):
        make(f"p/p{number}", text="broken" if number % 10 == 0 else None)
    time.sleep(0.1)  # the files settle
    command = [sys.executable, "-I", "-c", PROGRAM, str(tmp_path / "c.json"), str(tmp_path / "p")]
    outputs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert outputs[0].startswith("200 [")
    assert outputs[1] == "200 []\n"
