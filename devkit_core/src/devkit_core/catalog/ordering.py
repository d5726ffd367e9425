"""The order of loading: each plugin after all that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Set
from heapq import heapify, heappop, heappush

__all__ = ["cycle", "reachable", "sequence"]

Graph = Mapping[str, Set[str]]  # a plugin to those that it needs, all of them keys too


def sequence(needs: Graph) -> list[str]:
    """Return the plugins in order of loading, by id where nothing else decides; without those in a cycle."""
    missing = {each: len(others) for each, others in needs.items()}
    users: dict[str, list[str]] = {}
    for each, others in needs.items():
        for other in others:
            users.setdefault(other, []).append(each)
    ready = [each for each, count in missing.items() if not count]
    heapify(ready)
    found: list[str] = []
    while ready:
        current = heappop(ready)
        found.append(current)
        for each in users.get(current, ()):
            missing[each] -= 1
            if not missing[each]:
                heappush(ready, each)
    return found


def cycle(needs: Graph, start: str) -> list[str] | None:
    """Return the way from a plugin into a cycle and once around it, `[a, b, c, b]`, or None without one."""
    way: list[str] = [start]
    steps = [iter(sorted(needs[start]))]
    position = {start: 0}
    done: set[str] = set()
    while way:
        following = next(steps[-1], None)
        if following is None:
            finished = way.pop()
            steps.pop()
            del position[finished]
            done.add(finished)
        elif following in position:
            return [*way, following]
        elif following not in done:
            position[following] = len(way)
            way.append(following)
            steps.append(iter(sorted(needs[following])))
    return None


def reachable(needs: Graph, start: str) -> set[str]:
    """Return a plugin and all that it needs, directly or through others."""
    found = {start}
    waiting = [start]
    while waiting:
        for each in needs[waiting.pop()]:
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found
