"""What a resolution chooses from: versions, their needs, what fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devkit_core.model.versions import Requirement, Version, parse_requirement, parse_version

if TYPE_CHECKING:
    from devkit_core.model.manifest import Manifest

__all__ = ["DEVKIT", "Available", "Need", "Offers", "available"]

#: the virtual package that stands for the DevKit itself; no plugin can have this id
DEVKIT = "DevKit"


@dataclass(frozen=True, slots=True)
class Need:
    """What one version of a plugin needs: another plugin, or a runtime as `python-runtime`."""

    id: str
    requirement: Requirement
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Available:
    """One version of one plugin that could be loaded; `place` says where it is, for messages.

    `oldest` and `newest` are the versions of DevKit that it runs on, both included.
    """

    id: str
    version: Version
    place: str = ""
    needs: tuple[Need, ...] = ()
    oldest: Version | None = None
    newest: Version | None = None

    def __str__(self) -> str:
        return f"{self.id} {self.version}"


def available(manifest: Manifest, place: str) -> Available:
    """Return a plugin as the resolver sees it; `place` is its folder."""
    facts = manifest.metadata
    needs = (Need(each.id, parse_requirement(each.version), each.optional) for each in manifest.dependencies)
    return Available(
        manifest.id,
        parse_version(manifest.version),
        place,
        tuple(needs),
        parse_version(facts.min_devkit_version) if facts.min_devkit_version else None,
        parse_version(facts.max_devkit_version) if facts.max_devkit_version else None,
    )


class Offers:
    """All versions on offer, with the runtimes and the DevKit that they would meet.

    Runtimes and the DevKit are virtual packages of one version each. They stand before a plugin of the
    same id: no plugin can pass for one. Sets of one plugin's versions are bits of a whole number, the
    lowest bit for the newest version.
    """

    def __init__(
        self, offered: Iterable[Available], runtimes: Mapping[str, Version], devkit: Version
    ) -> None:
        self.runtimes = runtimes
        self.devkit = devkit
        virtual = {each: (Available(each, version),) for each, version in runtimes.items()}
        virtual[DEVKIT] = (Available(DEVKIT, devkit),)
        by_id: dict[str, dict[Version, Available]] = {}
        for each in offered:
            by_id.setdefault(each.id, {}).setdefault(each.version, each)
        #: the versions of each plugin, newest first; of two with one version the first one offered
        self.all: dict[str, tuple[Available, ...]] = {
            identity: tuple(versions[each] for each in sorted(versions, reverse=True))
            for identity, versions in by_id.items()
        } | virtual
        #: the ids that aren't virtual
        self.plugins = by_id.keys() - virtual.keys()
        self._matching: dict[tuple[str, str, bool], int] = {}
        #: beside each version: the plugins it can't do without, and which versions of them will do
        self.required: dict[str, tuple[dict[str, int], ...]] = {
            identity: tuple(self._required(each) for each in versions)
            for identity, versions in self.all.items()
        }
        #: the versions that could be loaded if no two plugins disagreed
        self.viable: dict[str, int] = {
            identity: (1 << len(versions)) - 1 for identity, versions in self.all.items()
        }
        self._prune()

    def matching(self, need: Need) -> int:
        """Return the versions on offer that a need allows."""
        key = (need.id, need.requirement.specifiers, need.requirement.prereleases)
        found = self._matching.get(key)
        if found is None:
            offered = self.all.get(need.id, ())
            found = sum(1 << bit for bit, each in enumerate(offered) if need.requirement.allows(each.version))
            self._matching[key] = found
        return found

    def _required(self, plugin: Available) -> dict[str, int]:
        needs: dict[str, int] = {}
        for each in plugin.needs:
            if not each.optional:
                needs[each.id] = needs.get(each.id, -1) & self.matching(each)
        if plugin.oldest is not None or plugin.newest is not None:
            fits = (plugin.oldest or self.devkit) <= self.devkit <= (plugin.newest or self.devkit)
            needs[DEVKIT] = int(fits)
        return needs

    def _prune(self) -> None:
        """Take out, again and again, each version that needs something no version left can give."""
        users: dict[str, set[str]] = {}
        for identity, versions in self.required.items():
            for needs in versions:
                for other in needs:
                    users.setdefault(other, set()).add(identity)
        waiting = set(self.all)
        while waiting:
            identity = waiting.pop()
            before = self.viable[identity]
            after = before
            for bit, needs in enumerate(self.required[identity]):
                if before >> bit & 1 and any(not m & self.viable.get(each, 0) for each, m in needs.items()):
                    after &= ~(1 << bit)
            if after != before:
                self.viable[identity] = after
                waiting |= users.get(identity, set())
