"""What plugins keep: bounds, several hosts at once, and hosts that are killed in the middle."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit_core.errors import ExecutionError, StateError
from devkit_core.running.plugin_store import MOST_KEYS, VALUE_LIMIT, PluginStore, store_file


@pytest.fixture
def store(tmp_path):
    made = PluginStore(tmp_path / "values" / "one.db")
    yield made
    made.close()


def test_nothing_is_written_by_reading(store, tmp_path):
    assert store.get("a") is None
    assert store.keys("") == []
    assert store.delete("a") is False
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_it(store, tmp_path):
    store.set("a", b"1")
    assert (tmp_path / "values").stat().st_mode & 0o077 == 0
    assert (tmp_path / "values" / "one.db").stat().st_mode & 0o077 == 0


def test_it_opens_again(store):
    store.set("a", b"1")
    store.close()
    assert store.get("a") == b"1"


@pytest.mark.parametrize(
    ("key", "value"), [("", b"1"), ("k" * 257, b"1"), ("a", b"x" * (VALUE_LIMIT + 1))], ids=len
)
def test_what_is_too_much_is_refused_and_changes_nothing(store, key, value):
    store.set("a", b"before")
    with pytest.raises(ExecutionError) as caught:
        store.set(key, value)
    assert caught.value.code == "plugin-store-full"
    assert store.get("a") == b"before"
    assert store.keys("") == ["a"]


def test_its_size_is_bounded_and_room_comes_back(store):
    large = b"x" * VALUE_LIMIT
    for number in range(15):
        store.set(f"k{number}", large)
    with pytest.raises(ExecutionError, match="16 MiB"):
        store.set("k15", large)
    store.set("k0", b"small")
    store.set("k15", large)
    store.delete("k1")
    store.set("k16", large)
    assert len(store.keys("k")) == 16


def test_the_number_of_keys_is_bounded(store, tmp_path):
    import sqlite3

    store.set("a", b"1")
    store.close()
    with sqlite3.connect(tmp_path / "values" / "one.db") as file:
        file.execute("UPDATE size SET keys = ?", (MOST_KEYS,))
    file.close()
    with pytest.raises(ExecutionError):
        store.set("b", b"1")
    store.set("a", b"2")


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


@given(st.lists(st.tuples(st.booleans(), KEYS, st.binary(max_size=20)), max_size=12))
@settings(max_examples=15, deadline=None)
def test_it_does_what_a_dictionary_does(tmp_path_factory, steps):
    store, plain = PluginStore(tmp_path_factory.mktemp("store") / "one.db"), {}
    for keep, key, value in steps:
        if keep:
            store.set(key, value)
            plain[key] = value
        else:
            assert store.delete(key) is (plain.pop(key, None) is not None)
    assert store.keys("") == sorted(plain)
    for key, value in plain.items():
        assert store.get(key) == value
    prefix = next(iter(plain), "a")[:1]
    assert store.keys(prefix) == sorted(key for key in plain if key.startswith(prefix))
    store.close()


def test_a_damaged_file_is_a_typed_error(store, tmp_path):
    store.set("a", b"1")
    store.close()
    (tmp_path / "values" / "one.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(StateError) as caught:
        store.get("a")
    assert caught.value.code == "plugin-store-unusable"
    assert "one.db" in caught.value.hint


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "values").mkdir()
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "values" / "one.db").symlink_to(tmp_path / "elsewhere")
    store = PluginStore(tmp_path / "values" / "one.db")
    with pytest.raises(StateError):
        store.set("a", b"1")
    assert (tmp_path / "elsewhere").read_bytes() == b""


COUNTING = """
    import sys
    from pathlib import Path
    from devkit_core.running.plugin_store import PluginStore

    store = PluginStore(Path(sys.argv[1]))
    for number in range(int(sys.argv[3])):
        store.set(f"{sys.argv[2]}/{number}", str(number).encode())
        print(number, flush=True)
"""


def counting(path: Path, name: str, times: int) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(COUNTING), path, name, str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_two_hosts_and_their_threads_write_at_once(store, tmp_path):
    path = tmp_path / "values" / "one.db"
    others = [counting(path, name, 8) for name in ("one", "two")]
    threads = [
        threading.Thread(target=lambda n=n: [store.set(f"t{n}/{each}", b"x") for each in range(3)])
        for n in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for each in others:
        each.communicate(timeout=120)
        assert each.returncode == 0
    assert len(store.keys("")) == 28


def test_what_was_kept_is_there_after_a_kill(store, tmp_path):
    path = tmp_path / "values" / "one.db"
    with counting(path, "killed", 100_000) as writing:
        last = -1
        while last < 5:
            last = int(writing.stdout.readline())
        os.kill(writing.pid, signal.SIGKILL)
        printed = writing.stdout.read().split()
        last = int(printed[-1]) if printed else last
    keys = store.keys("killed/")
    assert {f"killed/{number}" for number in range(last + 1)} <= set(keys)
    assert len(keys) <= last + 2
    for key in keys:
        assert store.get(key) == key.partition("/")[2].encode()
    for key in keys:
        assert store.delete(key)
    store.set("all", b"x" * (VALUE_LIMIT - 3))  # what they took is free again
    assert store.keys("") == ["all"]


def test_each_folder_has_a_file_of_its_own_and_installed_versions_one(tmp_path):
    data = tmp_path / "data"
    installed = [store_file(data, "one", data / "store" / each) for each in ("a", "b")]
    assert installed[0] == installed[1]
    project = store_file(data, "one", tmp_path / "project" / "one")
    assert project not in installed
    assert project.parent == data / "plugin-values"
    assert store_file(data, "two", data / "store" / "a") != installed[0]


def test_keys_of_any_characters_are_found_by_how_they_begin(tmp_path):
    store = PluginStore(tmp_path / "values.db")
    keys = ["a", "a\0b", "a\0c", "a%", "é\0", "éa", "../../x", "'; drop table entries; --"]
    for key in keys:
        store.set(key, b"1")
    assert store.keys("") == sorted(keys)
    assert store.keys("a\0") == ["a\0b", "a\0c"]
    assert store.keys("é") == ["é\0", "éa"]
    assert store.keys("..") == ["../../x"]
    assert [store.get(key) for key in keys] == [b"1"] * len(keys)
    store.close()
