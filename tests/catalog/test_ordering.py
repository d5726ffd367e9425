"""Orders and cycles of graphs, against their definitions."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from devkit_core.catalog.ordering import cycle, reachable, sequence

GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")), max_size=6).map(
    lambda graph: {key: {each for each in others if each in graph} for key, others in graph.items()}
)


@given(GRAPHS)
def test_each_comes_after_what_it_needs_and_only_rings_are_left_out(graph):
    found = sequence(graph)
    for position, each in enumerate(found):
        assert graph[each] <= set(found[:position])
    assert set(graph) - set(found) == {each for each in graph if cycle(graph, each) is not None}


@given(GRAPHS)
def test_a_way_into_a_cycle_is_a_way(graph):
    for start in graph:
        way = cycle(graph, start)
        if way is not None:
            assert way[0] == start
            assert all(after in graph[before] for before, after in pairwise(way))
            assert way.count(way[-1]) == 2
            assert len(set(way)) == len(way) - 1


@given(GRAPHS)
def test_what_can_be_reached(graph):
    for start in graph:
        found = reachable(graph, start)
        assert start in found
        assert all(graph[each] <= found for each in found)
