"""The search for versions that go together: narrow down, then try."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from devkit_core.catalog.offers import Available, Offers

__all__ = ["Impossible", "TooHard", "solve"]


class Impossible(Exception):
    """No choice of versions meets all needs.

    `id` is the plugin of which no version was left when the search got furthest, `holders` the plugins
    that had to be there by then and need it, with the versions they still could have.
    """

    def __init__(self, identity: str, holders: tuple[tuple[Available, ...], ...]) -> None:
        super().__init__(identity)
        self.id = identity
        self.holders = holders


class TooHard(Exception):
    """The search was given up after its limit of steps."""


@dataclass(slots=True)
class _Branch:
    """A choice that can be taken back: the possibilities before it, and which versions are left to try."""

    possible: dict[str, int]
    id: str
    untried: int


def solve(offers: Offers, wanted: Mapping[str, int], steps: int) -> dict[str, Available]:
    """Return one version of each plugin that is wanted or needed, all needs met, newer ones preferred.

    `wanted` holds the versions that will do. After each choice all that follows from it is drawn before
    the next, so that a dead end is seen where it begins; the next choice is made where the fewest
    versions are left. A step is one look at the versions that a plugin may still have; each plugin on
    offer has ten beside those of `steps`. Raises Impossible or TooHard.
    """
    search = _Search(offers, steps + 10 * len(offers.all))
    possible = {identity: versions & offers.viable.get(identity, 0) for identity, versions in wanted.items()}
    branches: list[_Branch] = []
    changed = set(possible)
    while True:
        if search.narrow(possible, changed):
            open_choices = [
                (found.bit_count(), each) for each, found in possible.items() if found & found - 1
            ]
            if not open_choices:
                return {each: offers.all[each][_lowest(found)] for each, found in sorted(possible.items())}
            identity = min(open_choices)[1]
            branches.append(_Branch(dict(possible), identity, possible[identity]))
        while branches and not branches[-1].untried:
            branches.pop()
        if not branches:
            raise search.impossible()
        branch = branches[-1]
        choice = branch.untried & -branch.untried
        branch.untried ^= choice
        possible = {**branch.possible, branch.id: choice}
        changed = {branch.id}


class _Search:
    def __init__(self, offers: Offers, steps: int) -> None:
        self._offers = offers
        self._steps = steps
        self._furthest = -1
        self._dead_end: tuple[str, dict[str, int]] = ("", {})

    def narrow(self, possible: dict[str, int], changed: set[str]) -> bool:
        """Draw all that follows from a change of possibilities; False where a plugin has none left.

        A version whose need none of the other's possible versions meets is out. What every version left
        of a plugin needs must be there too.
        """
        offers = self._offers
        for each in changed:
            if not possible[each]:
                return self._dead(each, possible)
        queue = deque(sorted(changed))
        waiting = set(queue)

        def look_again(identity: str) -> None:
            users = sorted(offers.users.get(identity, set()) & possible.keys())
            again = [each for each in (identity, *users) if each not in waiting]
            waiting.update(again)
            queue.extend(again)

        for each in sorted(changed):
            look_again(each)
        while queue:
            identity = queue.popleft()
            waiting.discard(identity)
            self._steps -= 1
            if self._steps < 0:
                raise TooHard
            left, common = self._look(identity, possible)
            for other in common:
                if not common[other] & possible.get(other, offers.viable.get(other, 0)):
                    return self._dead(other, possible)
            if not left:
                return self._dead(self._unmet(identity, possible), possible)
            common[identity] = left
            for other, versions in common.items():
                before = possible.get(other)
                after = versions & (offers.viable.get(other, 0) if before is None else before)
                if after != before:
                    possible[other] = after
                    if not after:
                        return self._dead(other, possible)
                    look_again(other)
        return True

    def impossible(self) -> Impossible:
        """Return the error for the dead end that the search met furthest on."""
        identity, possible = self._dead_end
        offers = self._offers
        holders = tuple(
            versions
            for holder in sorted(offers.users.get(identity, set()) & possible.keys())
            if (versions := _versions(offers.all[holder], possible[holder]))
        )
        return Impossible(identity, holders)

    def _look(self, identity: str, possible: dict[str, int]) -> tuple[int, dict[str, int]]:
        """Return the versions that still can be had, and what they all need: which versions of it will do."""
        viable = self._offers.viable
        left = 0
        common: dict[str, int] | None = None
        versions = possible[identity]
        for bit, needs in enumerate(self._offers.required[identity]):
            if not versions >> bit & 1:
                continue
            if all(mask & possible.get(each, viable.get(each, 0)) for each, mask in needs.items()):
                left |= 1 << bit
                if common is None:
                    common = dict(needs)
                else:
                    common = {each: mask | needs[each] for each, mask in common.items() if each in needs}
        return left, common or {}

    def _unmet(self, identity: str, possible: dict[str, int]) -> str:
        """Return what the newest version of a plugin needs and can't have; the plugin where it has none."""
        viable = self._offers.viable
        versions = possible[identity]
        needs = self._offers.required[identity][_lowest(versions)] if versions else {}
        unmet = (each for each, mask in needs.items() if not mask & possible.get(each, viable.get(each, 0)))
        return next(unmet, identity)

    def _dead(self, identity: str, possible: dict[str, int]) -> bool:
        known = sum(1 for found in possible.values() if found and not found & found - 1)
        if known > self._furthest:
            self._furthest = known
            self._dead_end = identity, dict(possible)
        return False


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def _versions(versions: tuple[Available, ...], bits: int) -> tuple[Available, ...]:
    return tuple(each for bit, each in enumerate(versions) if bits >> bit & 1)
