"""The store: content by hash, nothing half-made, strangers' changes seen."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from devkit_core.catalog.packing import collect
from devkit_core.catalog.store import Store
from devkit_core.errors import DevKitError, StateError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def add(store: Store, folder: Path) -> str:
    with store.staging() as staging:
        (staging / "p").mkdir()
        tree = collect(folder, staging / "p")
        store.put(staging / "p", tree, "one", staging)
        return tree.digest


def test_content_is_found_by_its_hash(store, make) -> None:
    digest = add(store, make("one"))
    place = store.place(digest, "one")
    assert place.parts[-3:] == ("sha256", digest, "one")
    assert store.problems(digest, "one") == []
    assert store.digests() == [digest]
    assert add(store, make("again", identity="one")) == digest
    assert store.digests() == [digest]


def test_every_change_is_seen(store, make) -> None:
    digest = add(store, make("one"))
    place = store.place(digest, "one")
    original = (place / "plugin.py").read_bytes()

    (place / "plugin.py").write_bytes(original + b"#")
    assert store.problems(digest, "one") == ["plugin.py was changed"]
    (place / "plugin.py").write_bytes(original)
    (place / "plugin.py").chmod(0o755)
    assert store.problems(digest, "one") == ["plugin.py has another mode"]
    (place / "plugin.py").chmod(0o644)
    (place / "more.py").write_text("x")
    assert store.problems(digest, "one") == ["more.py was added"]
    (place / "more.py").unlink()
    (place / "link").symlink_to("/etc")
    assert store.problems(digest, "one") == ["link is a link or a special file"]
    (place / "link").unlink()
    (place.parent / "beside").touch()
    assert store.problems(digest, "one") == ["beside was added"]
    (place.parent / "beside").unlink()
    (place / "plugin.py").unlink()
    assert store.problems(digest, "one") == ["plugin.py is missing"]
    (place.parent / "FILES.json").write_text('{"format":1,"files":{}}')
    assert "was changed" in store.problems(digest, "one")[0]
    (place.parent / "FILES.json").unlink()
    assert "is missing" in store.problems(digest, "one")[0]


def test_what_was_damaged_is_put_anew(store, make) -> None:
    folder = make("one")
    digest = add(store, folder)
    (store.place(digest, "one") / "plugin.py").write_text("damaged")
    add(store, folder)
    assert store.problems(digest, "one") == []


@pytest.mark.parametrize(("digest", "plugin"), [("../x", "one"), ("a" * 64, "../one"), ("A" * 64, "one")])
def test_a_place_is_made_of_a_hash_and_an_id_alone(store, digest: str, plugin: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        store.place(digest, plugin)


def test_staging_goes_at_the_end_and_after_a_crash(store, tmp_path: Path) -> None:
    with store.staging() as staging:
        assert staging.stat().st_mode & 0o777 == 0o700
        (staging / "x").touch()
        left = tmp_path / "data" / "staging" / "s-left"
        (left / "deep").mkdir(parents=True)
        assert store.sweep() == 1
        assert staging.exists()
        assert not left.exists()
    assert list((tmp_path / "data" / "staging").iterdir()) == []


def test_sweeping_leaves_what_another_process_holds(store, tmp_path: Path) -> None:
    held = tmp_path / "data" / "staging" / "s-held"
    held.mkdir(parents=True)
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert store.sweep() == 0
    os.close(descriptor)
    assert store.sweep() == 1


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StateError) as caught, Store(tmp_path / "data").staging():
        pass
    assert caught.value.code == "store-unwritable"
    assert caught.value.place is not None
    assert isinstance(caught.value, DevKitError)
