"""Which plugins can be loaded, in which order, and why others can't."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devkit_core.catalog.offers import Available, Need, Offers, available
from devkit_core.catalog.ordering import cycle, reachable, sequence
from devkit_core.catalog.reasons import Reasons
from devkit_core.catalog.solving import Impossible, TooHard, solve
from devkit_core.errors import DependencyError
from devkit_core.model.versions import parse_runtime_version

__all__ = ["STEPS", "Available", "Need", "Order", "available", "order"]

#: how many rounds one search may take before it is given up
STEPS = 2_000

Chosen = dict[str, Available]


@dataclass(frozen=True, slots=True)
class Order:
    """What can be loaded, each after all that it needs, and why others that were wanted can't."""

    sequence: tuple[Available, ...] = ()
    failures: Mapping[str, DependencyError] = field(default_factory=dict)


def order(
    wanted: Iterable[str],
    offered: Iterable[Available],
    runtimes: Mapping[str, str],
    devkit_version: str,
    *,
    unusable: Mapping[str, str] | None = None,
    steps: int = STEPS,
) -> Order:
    """Return what to load for the plugins wanted; the same question has the same answer.

    One version of each plugin is chosen, a newer one where the others allow it. Where not all that are
    wanted go together, those that come first by id stay. A plugin that is optional for another is taken
    along where that changes nothing else, and is loaded before it where both are. `runtimes` are virtual
    packages, name to version; `unusable` says why known plugins aren't offered, for messages. Failures
    are DependencyErrors by the ids that were wanted; none is raised. UsageError for a version that is
    none.
    """
    offers = Offers(
        offered,
        {name: parse_runtime_version(version) for name, version in runtimes.items()},
        parse_runtime_version(devkit_version),
    )
    return _Resolution(offers, Reasons(offers, unusable or {}), steps).order(sorted(set(wanted)))


class _Resolution:
    def __init__(self, offers: Offers, reasons: Reasons, steps: int) -> None:
        self._offers = offers
        self._reasons = reasons
        self._steps = steps
        self._failures: dict[str, DependencyError] = {}

    def order(self, wanted: list[str]) -> Order:
        roots: dict[str, int] = {}
        for each in wanted:
            error = self._reasons.alone(each)
            if error is not None:
                self._failures[each] = error
            else:
                roots[each] = -1
        chosen = self._choose(roots)
        chosen = self._take_optional(roots, chosen)
        graph = self._graph(chosen)
        return Order(tuple(chosen[each] for each in sequence(graph)), self._failures)

    def _choose(self, roots: dict[str, int]) -> Chosen:
        """Return versions for all roots that go together; those that don't fail and leave the roots."""
        while True:
            chosen = self._solve_all(roots)
            needs = self._needs(chosen)
            ways = {each: cycle(needs, each) for each in roots}
            stuck = {each: way for each, way in ways.items() if way is not None}
            for each, way in stuck.items():
                self._failures[each] = self._reasons.cycle(way)
                del roots[each]
            if not stuck:
                return chosen

    def _solve_all(self, roots: dict[str, int]) -> Chosen:
        try:
            return solve(self._offers, roots, self._steps)
        except (Impossible, TooHard):
            pass
        # So that many hard questions take no longer than two; without a dead end a plugin takes one round.
        share = min(self._steps, self._steps // len(roots) + len(self._offers.all) + 1)
        chosen: Chosen = {}
        kept: dict[str, int] = {}
        too_hard: list[str] = []
        for each in sorted(roots):
            try:
                chosen = solve(self._offers, {**kept, each: -1}, share)
            except Impossible as error:
                self._failures[each] = self._reasons.together(each, error)
                del roots[each]
            except TooHard:
                self._failures[each] = self._reasons.too_hard(each)
                del roots[each]
                too_hard.append(each)
            else:
                kept[each] = -1
        for each in too_hard:
            if each in chosen:  # for one that came later: it is there after all
                del self._failures[each]
                roots[each] = -1
        return chosen

    def _take_optional(self, roots: dict[str, int], chosen: Chosen) -> Chosen:
        """Add plugins that chosen ones would like, where that changes no choice and makes no cycle."""
        tried: set[tuple[str, int]] = set()
        while True:
            likes = sorted(
                (each.id, need.id, self._offers.matching(need))
                for each in chosen.values()
                for need in each.needs
                if need.optional and need.id not in chosen and need.id in self._offers.plugins
            )
            open_likes = [each for each in likes if each[1:] not in tried]
            if not open_likes:
                return chosen
            _, other, versions = open_likes[0]
            tried.add((other, versions))
            try:
                more = solve(self._offers, {**roots, other: versions}, self._steps)
            except (Impossible, TooHard):
                continue
            same = all(more.get(each) == version for each, version in chosen.items())
            if same and cycle(self._needs(more), other) is None:
                roots[other] = versions
                chosen = more

    def _needs(self, chosen: Chosen) -> dict[str, set[str]]:
        """Return which chosen plugins each can't do without."""
        return {
            identity: {
                need.id for need in plugin.needs if not need.optional and need.id not in self._offers.runtimes
            }
            for identity, plugin in chosen.items()
        }

    def _graph(self, chosen: Chosen) -> dict[str, set[str]]:
        """Return the needs, with each optional one that is there too and closes no cycle."""
        graph = self._needs(chosen)
        for identity in sorted(chosen):
            for need in chosen[identity].needs:
                other = chosen.get(need.id)
                if not need.optional or other is None or not need.requirement.allows(other.version):
                    continue
                if identity not in reachable(graph, need.id):
                    graph[identity].add(need.id)
        return graph
