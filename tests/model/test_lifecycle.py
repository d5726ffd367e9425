"""Every pair of states, and what the table as a whole promises."""

import itertools

import pytest

from devkit_core.errors import LifecycleError
from devkit_core.model import lifecycle
from devkit_core.model.types import PluginStatus as S


@pytest.mark.parametrize(("old", "new"), [*itertools.product(S, S)])
def test_each_pair_is_allowed_or_refused_with_a_way_on(old: S, new: S) -> None:
    if lifecycle.allowed(old, new):
        lifecycle.check(old, new)
        return
    with pytest.raises(LifecycleError) as caught:
        lifecycle.check(old, new, plugin="demo")
    error = caught.value
    assert error.code == "lifecycle-transition"
    assert error.plugin == "demo"
    assert old in error.message
    assert new in error.message
    assert all(state in (error.hint or "") for state in lifecycle.MOVES[old])


def test_the_table_is_whole() -> None:
    assert set(lifecycle.MOVES) == set(S)
    assert all(state not in moves for state, moves in lifecycle.MOVES.items())


def walk(*states: S) -> None:
    for old, new in itertools.pairwise(states):
        lifecycle.check(old, new)


def test_the_paths_of_a_life() -> None:
    born = (S.DISCOVERED, S.RESOLVED, S.LOADING, S.ACTIVE)
    walk(*born, S.RUNNING, S.ACTIVE, S.STOPPED, S.UNINSTALLING)
    walk(*born, S.LOADING, S.ACTIVE)  # reload
    walk(*born, S.RUNNING, S.LOADING, S.ACTIVE)  # the worker died in a call
    walk(*born, S.ERROR, S.LOADING, S.ACTIVE)  # retry
    walk(*born, S.STOPPED, S.DISABLED, S.DISCOVERED, S.RESOLVED)
    walk(*born, S.STOPPED, S.LOADING, S.ERROR, S.DISCOVERED)


def test_every_state_is_reached_and_every_plugin_can_be_removed() -> None:
    def reachable(start: S) -> set[S]:
        seen, todo = {start}, [start]
        while todo:
            new = lifecycle.MOVES[todo.pop()] - seen
            seen |= new
            todo += new
        return seen

    assert reachable(S.DISCOVERED) == set(S)
    assert all(S.UNINSTALLING in reachable(state) for state in S)


@pytest.mark.parametrize("old", [S.DISABLED, S.UNINSTALLING])
def test_what_must_not_run_can_not_be_loaded(old: S) -> None:
    assert not lifecycle.MOVES[old] & {S.LOADING, S.ACTIVE, S.RUNNING}
