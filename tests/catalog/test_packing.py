"""Packages: what goes in, and that the same files give the same bytes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devkit_core.catalog.exclusion import Exclusion
from devkit_core.catalog.packaging import package, verify_file
from devkit_core.errors import ArchiveRefused, DevKitError, EntryPointError, NotFound, UsageError


@pytest.mark.parametrize(
    ("lines", "path", "folder", "out"),
    [
        ("", "a.py", False, False),
        ("", ".git", True, True),
        ("", "a/.hidden", False, True),
        ("", "a/__pycache__", True, True),
        ("", "__pycache__", False, False),
        ("", "a/b.pyc", False, True),
        ("", "old.dkp", False, True),
        ("", "node_modules", True, False),
        ("", "node_modules/.cache", True, True),
        ("tests/", "tests", True, True),
        ("tests/", "a/tests", True, True),
        ("tests/", "tests", False, False),
        ("/tests", "a/tests", True, False),
        ("/tests", "tests", True, True),
        ("a/b", "a/b", False, True),
        ("a/b", "x/a/b", False, False),
        ("*.log", "a/b.log", False, True),
        ("*.log\n!keep.log", "a/keep.log", False, False),
        ("a/**/z", "a/b/c/z", False, True),
        ("a/**/z", "a/z", False, True),
        ("data?", "data1", False, True),
        ("# a.py", "a.py", False, False),
        ("!.env", ".env", False, False),
    ],
)
def test_exclusion(lines: str, path: str, folder: bool, out: bool) -> None:
    assert Exclusion(lines).excludes(path, folder=folder) is out


@pytest.mark.parametrize("lines", ["a//b", "**/**/**/**/x", "x" * 300, "\n".join("abc" for _ in range(300))])
def test_lines_that_are_no_patterns(lines: str) -> None:
    with pytest.raises(UsageError) as caught:
        Exclusion(lines)
    assert caught.value.code == "pack-ignore"


def test_the_same_files_give_the_same_bytes(tmp_path: Path, make) -> None:
    folder = make("one", more='license = "MIT"\n')
    (folder / "inner").mkdir()
    (folder / "inner" / ("n" * 120 + "ü")).write_text("x")
    (folder / "run").write_text("x")
    (folder / "run").chmod(0o700)
    (folder / "empty").mkdir()
    (folder / ".secret").write_text("x")
    first, facts = package(folder, tmp_path / "a.dkp")
    os.utime(folder / "plugin.py", (time.time() - 1e6, 1))
    (folder / "run").chmod(0o777)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("x")
    second, _ = package(folder, tmp_path / "b.dkp")
    assert first.read_bytes() == second.read_bytes()
    assert list(facts["files"]) == sorted(facts["files"])
    assert "inner/" + "n" * 120 + "ü" in facts["files"]
    assert facts["files"]["run"]["executable"] is True
    assert ".secret" not in facts["files"]
    assert verify_file(first) == facts


def test_the_name_is_the_ids_and_dry_run_writes_nothing(tmp_path: Path, make) -> None:
    folder = make("one")
    target, facts = package(folder, tmp_path, dry_run=True)
    assert target == tmp_path / "one-1.0.0.dkp"
    assert not target.exists()
    assert package(folder, tmp_path)[1] == facts
    assert target.exists()


def test_what_can_not_be_packed(tmp_path: Path, make) -> None:
    folder = make("one")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveRefused) as caught:
        package(folder, tmp_path)
    assert caught.value.code == "archive-special"
    (folder / ".devkitignore").write_text("link\n")
    package(folder, tmp_path)
    (folder / "plugin.py").unlink()
    with pytest.raises(EntryPointError):
        package(folder, tmp_path)
    (folder / "plugin.toml").unlink()
    with pytest.raises(DevKitError) as missing:
        package(folder, tmp_path)
    assert missing.value.code == "manifest-missing"
    assert missing.value.place is not None
    assert missing.value.place.path == f"{folder}/plugin.toml"
    with pytest.raises(NotFound):
        package(tmp_path / "nothing", tmp_path)


def test_one_changed_byte_is_found(tmp_path: Path, make) -> None:
    target, _ = package(make("one"), tmp_path)
    data = target.read_bytes()
    for at in range(0, len(data), 97):
        target.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        if at in (4, 5, 6, 7, 8, 9):  # time and system of the gzip header
            continue
        with pytest.raises(DevKitError):
            verify_file(target)
