"""A folder's contents change when, and only when, what it holds does."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.running.contents import Contents, ignored

IGNORE = (".git", "__pycache__", "node_modules", "target", "*.tmp", "*.swp", "*~")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugin.toml").write_text("manifest")
    (tmp_path / "plugin.py").write_text("code")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "part.py").write_text("part")
    return tmp_path


def read(folder: Path, **more) -> Contents:
    return Contents.read(folder, IGNORE, **more)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("plugin.py", False), (".git/HEAD", True), ("a/b/node_modules/c.js", True), ("x.tmp", True),
        (".plugin.py.swp", True), ("plugin.py~", True), ("targets/x", False), ("target/x", True),
        ("gitignore", False), ("x.tmpl", False),
    ],
)  # fmt: skip
def test_ignored(path, expected):
    assert ignored(path, IGNORE) is expected


def test_files_are_named_from_the_folder(folder):
    assert sorted(read(folder).files) == ["pack/part.py", "plugin.py", "plugin.toml"]


def test_changes(folder):
    before = read(folder)
    (folder / "plugin.py").write_text("other")
    (folder / "new.py").write_text("new")
    (folder / "pack" / "part.py").unlink()
    changes = before.changes(read(folder))
    assert changes == {"new.py": "created", "pack/part.py": "deleted", "plugin.py": "modified"}
    assert list(changes) == sorted(changes)


def test_times_do_not_count_but_modes_do(folder):
    before = read(folder)
    os.utime(folder / "plugin.py", (1, 1))
    (folder / "plugin.toml").write_text("manifest")
    assert before.changes(read(folder)) == {}
    (folder / "plugin.py").chmod(0o755)
    assert before.changes(read(folder)) == {"plugin.py": "modified"}


def test_a_second_reading_reads_only_what_may_have_changed(folder, monkeypatch):
    later = time.time_ns() + 1_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)  # the files have been at rest for a while
    before = read(folder)
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(Path(path).name) or real(path, *more))
    (folder / "plugin.py").write_text("edited")
    after = read(folder, before=before)
    assert opened == ["plugin.py"]
    assert before.changes(after) == {"plugin.py": "modified"}


def test_an_edit_of_the_same_size_within_the_same_moment_is_seen(folder):
    before = read(folder)
    stamp = (folder / "plugin.py").stat()
    (folder / "plugin.py").write_text("doce")
    os.utime(folder / "plugin.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert before.changes(read(folder, before=before)) == {"plugin.py": "modified"}


def test_edits_faster_than_the_clock_of_the_files_are_seen(folder):
    """Two writes within one tick of the kernel leave the very same times."""
    for number in range(10, 99):
        (folder / "plugin.py").write_text(str(number))
        before = read(folder)
        (folder / "plugin.py").write_text(str(number + 1))
        assert before.changes(read(folder, before=before)) == {"plugin.py": "modified"}


def test_what_is_kept_counts_in_an_ignored_folder(folder):
    (folder / "target").mkdir()
    (folder / "target" / "lib.so").write_text("one")
    (folder / "target" / "noise").write_text("one")
    before = read(folder, keep=("target/lib.so", "plugin.py"))
    assert "target/lib.so" in before.files
    assert "target/noise" not in before.files
    (folder / "target" / "lib.so").write_text("two")
    assert before.changes(read(folder, keep=("target/lib.so",))) == {"target/lib.so": "modified"}


def test_links(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "file").write_text("one")
    (folder / "link").symlink_to(outside / "file")
    (folder / "folder").symlink_to(outside)
    (folder / "nowhere").symlink_to(outside / "missing")
    (folder / "loop").symlink_to(folder)
    before = read(folder)
    assert {"link", "folder", "loop"} <= before.files.keys()
    (outside / "other").write_text("not followed")
    assert before.changes(read(folder)) == {}
    (folder / "folder").unlink()
    (folder / "folder").symlink_to(folder / "pack")
    assert before.changes(read(folder)) == {"folder": "modified"}


def test_what_is_no_file_is_not_read(folder):
    os.mkfifo(folder / "pipe")
    assert "pipe" in read(folder).files


def test_a_folder_that_is_gone():
    assert read(Path("/no/such/folder")).files == {}


@given(st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=20), max_size=6), st.data())
def test_the_difference_is_the_difference(files, data):
    import tempfile

    later = data.draw(st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=20), max_size=6))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, content in files.items():
            (root / path).write_bytes(content)
        before = read(root)
        for path in files.keys() - later.keys():
            (root / path).unlink()
        for path, content in later.items():
            (root / path).write_bytes(content)
        changes = before.changes(read(root, before=before))
    assert changes.keys() == {p for p in "abcdef" if files.get(p) != later.get(p)}
