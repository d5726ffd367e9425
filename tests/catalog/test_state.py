"""The user's record: grants and disabled plugins, bound to id and folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from devkit_core.catalog import state as module
from devkit_core.catalog.state import Grant, State
from devkit_core.errors import StateError, UsageError

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.fixture
def state(tmp_path) -> State:
    return State(tmp_path / "data/devkit.lock", now=lambda: NOW)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "plugins/one").mkdir(parents=True)
    return tmp_path / "plugins/one"


def grant(state: State, folder: Path, *permissions: str, publisher: str = "Me", plugin: str = "one"):
    return state.grant(plugin, folder, permissions, version="1.0.0", publisher=publisher)


def test_without_a_record_nothing_is_granted_and_all_is_enabled(state, folder):
    assert (state.granted("one", folder), state.grants(), state.is_enabled("one", folder)) == ((), [], True)
    assert not state.path.parent.exists()


def test_grants_are_kept_in_their_one_spelling(state, folder, tmp_path):
    assert grant(state, folder, "network:https", "FileSystemRead", "filesystem_read") == (
        "filesystem:read", "network:https",
    )  # fmt: skip
    again = State(state.path)
    assert again.granted("one", folder) == ("filesystem:read", "network:https")
    assert again.grants() == [
        Grant(
            "one",
            str(folder),
            "1.0.0",
            "Me",
            ("filesystem:read", "network:https"),
            "2026-01-02T03:04:05+00:00",
        )
    ]
    assert state.path.stat().st_mode & 0o777 == 0o600


def test_another_folder_id_or_publisher_gets_nothing(state, folder, tmp_path):
    grant(state, folder, "filesystem:read")
    other = tmp_path / "clone/plugins/one"
    other.mkdir(parents=True)
    assert state.granted("one", other) == ()
    assert state.granted("two", folder) == ()
    assert state.granted("one", folder, publisher="Someone") == ()
    assert state.granted("one", folder, publisher="Me") == ("filesystem:read",)


def test_a_link_shares_its_folders_grants(state, folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    grant(state, tmp_path / "link", "filesystem:read")
    assert state.granted("one", folder) == ("filesystem:read",)


def test_a_new_publisher_starts_from_nothing(state, folder):
    grant(state, folder, "filesystem:read")
    assert grant(state, folder, "network:http", publisher="Other") == ("network:http",)


def test_no_permission_no_grant(state, folder):
    with pytest.raises(UsageError):
        grant(state, folder, "filesystem:read", "filesystem:eat")
    assert state.granted("one", folder) == ()


@pytest.mark.parametrize(("granted", "revoked", "left"), [
    (["filesystem:read", "network:http"], ["filesystem:read"], ["network:http"]),
    (["filesystem:read=$PLUGIN"], ["filesystem:read"], []),
    (["filesystem:read-write"], ["filesystem:read"], ["filesystem:write"]),
    (["network:access"], ["network:https"], ["network:http"]),
    (["filesystem:read"], ["process:spawn"], ["filesystem:read"]),
    (["filesystem:read", "network:http"], None, []),
])  # fmt: skip
def test_revoking_takes_what_the_permission_covers(state, folder, granted, revoked, left):
    grant(state, folder, *granted)
    taken = state.revoke("one", folder, revoked)
    assert state.granted("one", folder) == tuple(left)
    assert set(taken) == set(granted) - set(left)


def test_revoking_where_nothing_was_granted_is_nothing(state, folder):
    assert state.revoke("one", folder) == ()
    assert not state.path.exists()


def test_disabling_is_kept_beside_grants(state, folder):
    assert state.set_enabled("one", folder, False) is True
    assert state.set_enabled("one", folder, False) is False
    grant(state, folder, "filesystem:read")
    assert state.is_enabled("one", folder) is False
    assert state.set_enabled("one", folder, True) is True
    assert state.granted("one", folder) == ("filesystem:read",)
    state.revoke("one", folder)
    assert json.loads(state.path.read_text())["plugins"] == []


def test_another_processes_change_is_seen(state, folder):
    assert state.is_enabled("one", folder)
    State(state.path).set_enabled("one", folder, False)
    assert not state.is_enabled("one", folder)


def test_keys_that_this_devkit_does_not_know_are_kept(state, folder):
    grant(state, folder, "filesystem:read")
    content = json.loads(state.path.read_text())
    content["plugins"][0]["note"] = "mine"
    state.path.write_text(json.dumps(content))
    state.set_enabled("one", folder, False)
    assert json.loads(state.path.read_text())["plugins"][0]["note"] == "mine"


DAMAGED = [
    b"", b"{", b"\xff", b"[]", b"null", b'{"format": 1}', b'{"format": 1, "plugins": {}}', b"[" * 100_000,
    b'{"format": 1, "plugins": [3]}', b'{"format": 1, "plugins": [{"id": "a"}]}',
    b'{"format": "x", "plugins": []}',
    b'{"format": 1, "plugins": [{"id": "a", "origin": "/", "permissions": "all"}]}',
    b'{"format": 1, "plugins": [{"id": "a", "origin": "/", "enabled": "no"}]}',
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_is_an_error_and_left_alone(state, folder, content):
    state.path.parent.mkdir()
    state.path.write_bytes(content)
    for use in (
        lambda: state.granted("one", folder), state.grants, lambda: state.is_enabled("one", folder),
        lambda: grant(state, folder, "filesystem:read"), lambda: state.set_enabled("one", folder, False),
    ):  # fmt: skip
        with pytest.raises(StateError) as caught:
            use()
        assert caught.value.code == "state-damaged"
        assert str(state.path) in caught.value.message
        assert "mv " in caught.value.hint
    assert state.path.read_bytes() == content


def test_a_newer_record_is_not_guessed_at(state, folder):
    state.path.parent.mkdir()
    state.path.write_text('{"format": 2, "plugins": "in another form"}')
    with pytest.raises(StateError) as caught:
        state.granted("one", folder)
    assert caught.value.code == "state-newer"


def test_what_is_no_file_is_not_waited_for(state, folder):
    state.path.parent.mkdir()
    os.mkfifo(state.path)
    with pytest.raises(StateError) as caught:
        state.granted("one", folder)
    assert caught.value.code == "state-unreadable"


def test_a_folder_that_can_not_be_written(tmp_path, folder):
    (tmp_path / "data").touch()
    with pytest.raises(StateError) as caught:
        State(tmp_path / "data/devkit.lock").set_enabled("one", folder, False)
    assert caught.value.code == "state-unwritable"


def test_a_write_that_fails_loses_nothing(state, folder, monkeypatch):
    grant(state, folder, "filesystem:read")
    before = state.path.read_bytes()

    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_file", full)
    with pytest.raises(StateError, match="No space left"):
        grant(state, folder, "network:http")
    assert state.path.read_bytes() == before
    monkeypatch.undo()
    assert grant(state, folder, "network:http") == ("filesystem:read", "network:http")


def test_a_lock_that_is_held_is_an_error_in_time(state, folder):
    from filelock import FileLock

    state.path.parent.mkdir()
    with FileLock(state.path.with_name("devkit.lock.guard")), pytest.raises(StateError) as caught:
        State(state.path, lock_seconds=0.05).set_enabled("one", folder, False)
    assert caught.value.code == "state-locked"


def test_processes_that_change_it_at_once_lose_nothing(tmp_path):
    path = tmp_path / "devkit.lock"
    code = (
        "import sys, pathlib; from devkit_core.catalog.state import State; path = pathlib.Path(sys.argv[1]);"
        "State(path).set_enabled(sys.argv[2], path.parent, False)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, path, f"p{number}"]) for number in range(6)]
    assert [each.wait(60) for each in running] == [0] * 6
    assert sum(not State(path).is_enabled(f"p{number}", tmp_path) for number in range(6)) == 6


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["grant", "revoke", "enable", "disable"]),
        st.sampled_from(["one", "two"]),
        st.sampled_from(["filesystem:read", "network:http", "process:spawn"]),
    ),
    max_size=12,
)


@examples(max_examples=25, deadline=None)
@given(MOVES)
def test_any_moves_leave_what_a_model_says(tmp_path_factory, moves):
    home = tmp_path_factory.mktemp("state")
    model: dict[str, tuple[set[str], bool]] = {"one": (set(), True), "two": (set(), True)}
    state = State(home / "devkit.lock")
    for move, plugin, permission in moves:
        granted, enabled = model[plugin]
        if move == "grant":
            state.grant(plugin, home, [permission], version="1.0.0", publisher="Me")
            granted.add(permission)
        elif move == "revoke":
            assert (permission in state.revoke(plugin, home, [permission])) == (permission in granted)
            granted.discard(permission)
        else:
            assert state.set_enabled(plugin, home, move == "enable") == (enabled != (move == "enable"))
            model[plugin] = (granted, move == "enable")
    for plugin, (granted, enabled) in model.items():
        assert set(State(state.path).granted(plugin, home)) == granted
        assert State(state.path).is_enabled(plugin, home) == enabled
