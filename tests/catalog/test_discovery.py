"""Discovery: a broken plugin is listed with its error and hides no other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.catalog.discovery import discover, read_manifest, settle
from devkit_core.catalog.folders import FolderSource
from devkit_core.errors import DuplicatePlugin, ManifestError
from devkit_core.loading.source import Source


def source(folder: Path, name: str = "project", rank: int = 100) -> FolderSource:
    return FolderSource(name, rank, folder)


def codes(found) -> dict[str, str | None]:
    return {each.id: each.error and each.error.code for each in found}


def test_reads_what_is_there_and_runs_nothing(tmp_path, make):
    folder = make("p/a-folder", "an-id")
    (found,) = discover([source(tmp_path / "p")])
    assert (found.id, found.folder, found.source, found.error) == ("an-id", folder, "project", None)
    assert found.manifest.id == "an-id"


def test_broken_ones_are_listed_by_their_folder_and_hide_no_other(tmp_path, make):
    make("p/good")
    make("p/empty", text="")
    make("p/bad", text="[metadata\n")
    make("p/large", text="#" * (1 << 20) + "#")
    make("p/binary", text="").joinpath("plugin.toml").write_bytes(b"\xff")
    for name in ("fifo", "folder", "link", "none"):
        make(f"p/{name}").joinpath("plugin.toml").unlink()
    os.mkfifo(tmp_path / "p/fifo/plugin.toml")
    (tmp_path / "p/folder/plugin.toml").mkdir()
    (tmp_path / "p/link/plugin.toml").symlink_to(tmp_path / "p/good/plugin.toml")
    (tmp_path / "p/gone").symlink_to("/nowhere")
    found = discover([source(tmp_path / "p")])
    assert codes(found) == {
        "bad": "manifest-syntax", "binary": "manifest-encoding", "empty": "manifest-missing-key",
        "fifo": "manifest-unreadable", "folder": "manifest-unreadable", "gone": "manifest-missing",
        "good": None, "large": "manifest-too-large", "link": "manifest-unreadable",
    }  # fmt: skip
    for each in found:
        if each.error is not None:
            assert each.error.place.path == str(tmp_path / "p" / each.id / "plugin.toml")
            assert os.path.isabs(each.error.place.path)


def test_a_folder_deleted_meanwhile_is_an_error(tmp_path, make):
    class Deleting(FolderSource):
        def folders(self):
            found = super().folders()
            shutil.rmtree(found[0])
            return found

    make("p/a")
    make("p/b")
    found = discover([Deleting("project", 100, tmp_path / "p")])
    assert codes(found) == {"a": "manifest-missing", "b": None}
    assert "gone" in found[0].error.message


def test_the_nearer_source_wins_and_the_other_is_shown(tmp_path, make):
    make("near/x", "same")
    make("far/y", "same")
    make("far/z")
    found = discover([source(tmp_path / "far", "user", 300), source(tmp_path / "near")])
    assert [(each.id, each.source, each.shadowed_by) for each in found] == [
        ("same", "project", None), ("same", "user", "project"), ("z", "user", None),
    ]  # fmt: skip


def test_two_of_one_source_are_both_refused_and_named(tmp_path, make):
    paths = [make("p/a", "same"), make("p/b", "same")]
    make("p/c")
    make("far/d", "same")
    found = discover([source(tmp_path / "p"), source(tmp_path / "far", "user", 300)])
    assert [(each.folder.name, type(each.error)) for each in found] == [
        ("a", DuplicatePlugin), ("b", DuplicatePlugin), ("c", type(None)), ("d", type(None)),
    ]  # fmt: skip
    assert all(str(path) in found[0].error.message for path in paths)
    assert found[3].shadowed_by == "project", "another source doesn't step in for an ambiguous one"


def test_a_broken_one_does_not_shadow_one_that_works(tmp_path, make):
    make("near/same", text="")
    make("far/same")
    found = discover([source(tmp_path / "near"), source(tmp_path / "far", "user", 300)])
    assert [(each.error is None, each.shadowed_by) for each in found] == [(False, None), (True, None)]


def test_a_folder_that_is_reached_twice_counts_once(tmp_path, make):
    make("p/real")
    (tmp_path / "p/a-link").symlink_to("real")
    (tmp_path / "again").symlink_to("p")
    found = discover([source(tmp_path / "p"), source(tmp_path / "again", "path", 200)])
    assert [each.folder for each in found] == [tmp_path / "p/real"]


class Failing(Source):
    name = "team"
    rank = 50

    def __init__(self, result):
        self.result = result

    def folders(self):
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@pytest.mark.parametrize("result", [
    OSError(5, "Input/output error"), RuntimeError("x" * 5000), None, 3, [None], (1 / 0 for _ in "x"),
])  # fmt: skip
def test_a_source_that_fails_is_listed_and_hides_no_other(tmp_path, make, result):
    make("p/good")
    found = discover([Failing(result), source(tmp_path / "p")])
    assert codes(found) == {"source:team": "source-unreadable", "good": None}
    assert len(found[0].error.message) <= 1000


def test_odd_paths_of_a_source_are_errors_of_their_own(tmp_path, make):
    paths = ["/no/such", "", "a\0b", make("p/good"), "x" * 5000]
    found = discover([Failing(paths)])
    assert [each.error is None for each in found].count(True) == 1
    assert len(found) == 5


def test_names_that_are_no_text_can_be_shown(tmp_path):
    folder = os.fsencode(tmp_path) + b"/p/caf\xe9"
    os.makedirs(folder)
    with open(folder + b"/plugin.toml", "wb"):
        pass
    (found,) = discover([source(tmp_path / "p")])
    assert found.id == "caf\ufffd"
    found.id.encode()


def test_reading_one_folder_raises(tmp_path):
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path)
    assert caught.value.code == "manifest-missing"
    assert "devkit plugin new" in caught.value.hint


PLUGINS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.booleans()), max_size=9
)  # id, source, usable


@given(PLUGINS)
def test_of_each_id_at_most_one_is_left(plugins):
    ordered = sorted(plugins, key=lambda each: each[1])
    facts = [
        (identity, f"s{number}", Path(str(i)), usable) for i, (identity, number, usable) in enumerate(ordered)
    ]
    verdicts = settle(
        list(facts), facts, lambda plugin, error: (plugin, "duplicate"), lambda plugin, by: (plugin, by)
    )
    left = [each[0] for each in verdicts if len(each) == 4 and each[3]]
    assert len(left) == len(set(left))
    for fact, verdict in zip(facts, verdicts, strict=True):
        nearer = [f for f in facts if f[0] == fact[0] and f[3] and f[1] < fact[1]]
        same = [f for f in facts if f[0] == fact[0] and f[3] and f[1] == fact[1]]
        if not fact[3]:
            assert verdict == fact
        elif nearer:
            assert verdict == (fact, min(f[1] for f in nearer))
        else:
            assert (verdict == (fact, "duplicate")) == (len(same) > 1)
