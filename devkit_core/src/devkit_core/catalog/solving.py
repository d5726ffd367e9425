"""The search for versions that go together: resolvelib's, with our preferences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep
from resolvelib.resolvers import Criterion, Resolution

from devkit_core.catalog.offers import Available, Offers

if TYPE_CHECKING:
    from resolvelib.structs import RequirementInformation, State

__all__ = ["Impossible", "TooHard", "solve"]


class Impossible(Exception):
    """No choice of versions meets all needs.

    `id` is the plugin that the last dead end was about, `holders` the versions that it was needed by.
    """

    def __init__(self, identity: str, holders: tuple[Available, ...]) -> None:
        super().__init__(identity)
        self.id = identity
        self.holders = holders


class TooHard(Exception):
    """The search was given up after its limit of rounds."""


class _Wish(NamedTuple):
    """That a plugin has to be there, in one of these versions."""

    id: str
    versions: int


class _Pick(NamedTuple):
    """One version of a plugin: its place among those on offer."""

    id: str
    place: int


def solve(offers: Offers, wanted: Mapping[str, int], rounds: int) -> dict[str, Available]:
    """Return one version of each plugin that is wanted or needed, all needs met, newer ones preferred.

    `wanted` holds the versions that will do. A round is one choice of a version, or one way back from a
    dead end. Raises Impossible or TooHard.
    """
    preferences = _Preferences()
    # Not by Resolver: it ends in a recursion as deep as the longest chain, and without end in a ring.
    resolution = Resolution(_Provider(offers, preferences), preferences)
    try:
        found = resolution.resolve([_Wish(*each) for each in wanted.items()], max_rounds=rounds).mapping
    except ResolutionTooDeep as error:
        raise TooHard from error
    except ResolutionImpossible as error:
        raise _impossible(offers, error.causes) from error
    # Some of what was found may have been needed by choices that were taken back.
    chosen: dict[str, Available] = {}
    waiting = list(wanted)
    while waiting:
        identity = waiting.pop()
        if identity not in chosen and identity in offers.plugins:
            place = found[identity].place
            chosen[identity] = offers.all[identity][place]
            waiting += offers.required[identity][place]
    return chosen


class _Preferences(BaseReporter[_Wish, _Pick, str]):
    """Counts the conflicts of each plugin: one that has many is chosen early, while there is room."""

    def __init__(self) -> None:
        self.conflicts: Counter[str] = Counter()
        self._went_back = False

    def rejecting_candidate(self, criterion: Criterion[_Wish, _Pick], candidate: _Pick) -> None:
        """Called by resolvelib for a version that contradicts what was chosen before."""
        self.conflicts[candidate.id] += 1
        self.conflicts.update(_involved(criterion.information))

    def resolving_conflicts(self, causes: Collection[RequirementInformation[_Wish, _Pick]]) -> None:
        """Called by resolvelib in a dead end."""
        self._went_back = True

    def ending_round(self, index: int, state: State[_Wish, _Pick, str]) -> None:
        """Called by resolvelib; drop what it lists more than once.

        resolvelib 1.2.1 joins the lists of versions that won't do on each way back, and they double.
        """
        if not self._went_back:
            return
        self._went_back = False
        for identity, each in state.criteria.items():
            once = list(dict.fromkeys(each.incompatibilities))
            if len(once) < len(each.incompatibilities):
                state.criteria[identity] = Criterion(each.candidates, each.information, once)


class _Provider(AbstractProvider[_Wish, _Pick, str]):
    def __init__(self, offers: Offers, preferences: _Preferences) -> None:
        self._offers = offers
        self._preferences = preferences

    def identify(self, requirement_or_candidate: _Wish | _Pick) -> str:
        return requirement_or_candidate.id

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[_Wish]],
        incompatibilities: Mapping[str, Iterator[_Pick]],
    ) -> list[_Pick]:
        left = self._offers.viable.get(identifier, 0)
        for wish in requirements[identifier]:
            left &= wish.versions
        for pick in incompatibilities[identifier]:
            left &= ~(1 << pick.place)
        return [_Pick(identifier, place) for place in range(left.bit_length()) if left >> place & 1]

    def is_satisfied_by(self, requirement: _Wish, candidate: _Pick) -> bool:
        return bool(requirement.versions >> candidate.place & 1)

    def get_dependencies(self, candidate: _Pick) -> list[_Wish]:
        """Return what a version needs, itself among it.

        Without itself resolvelib may exchange a version that was chosen and forget why, or jump back over
        a choice that would have helped; now and then a wrong yes or no came of it.
        """
        needs = self._offers.required[candidate.id][candidate.place]
        return [*(_Wish(*each) for each in needs.items()), _Wish(candidate.id, 1 << candidate.place)]

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, _Pick],
        candidates: Mapping[str, Iterator[_Pick]],
        information: Mapping[str, Iterator[RequirementInformation[_Wish, _Pick]]],
        backtrack_causes: Sequence[RequirementInformation[_Wish, _Pick]],
    ) -> list[str]:
        causes = _involved(backtrack_causes)
        given = list(identifiers)
        return [each for each in given if each in causes] or given

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, _Pick],
        candidates: Mapping[str, Iterator[_Pick]],
        information: Mapping[str, Iterator[RequirementInformation[_Wish, _Pick]]],
        backtrack_causes: Sequence[RequirementInformation[_Wish, _Pick]],
    ) -> tuple[float, str]:
        versions = sum(1 for _ in candidates[identifier])
        return versions / (1 + self._preferences.conflicts[identifier]), identifier


def _involved(causes: Iterable[RequirementInformation[_Wish, _Pick]]) -> set[str]:
    return {each.id for cause in causes for each in cause if each is not None}


def _impossible(offers: Offers, causes: Iterable[RequirementInformation[_Wish, _Pick]]) -> Impossible:
    """Say what the last dead end was about: the plugin that most others need, and who they are."""
    holders: dict[str, dict[str, _Pick]] = {}
    for wish, pick in causes:
        found = holders.setdefault(wish.id, {})
        if pick is not None and pick.id != wish.id:
            found[pick.id] = min(pick, found.get(pick.id, pick))
    identity = min(holders, key=lambda each: (-len(holders[each]), each))
    picks = sorted(holders[identity].values())
    return Impossible(identity, tuple(offers.all[each.id][each.place] for each in picks))
