"""What a resolution chooses from: versions, their needs, what fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devkit_core.model.versions import Requirement, Version, parse_requirement, parse_version

if TYPE_CHECKING:
    from devkit_core.model.manifest import Manifest

__all__ = ["Available", "Need", "Offers", "available"]


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

    A runtime stands before a plugin of the same id: no plugin can pass for one. Sets of one plugin's
    versions are bits of a whole number, the lowest bit for the newest version.
    """

    def __init__(
        self, offered: Iterable[Available], runtimes: Mapping[str, Version], devkit: Version
    ) -> None:
        self.runtimes = runtimes
        self.devkit = devkit
        by_id: dict[str, dict[Version, Available]] = {}
        for each in offered:
            by_id.setdefault(each.id, {}).setdefault(each.version, each)
        #: the versions of each plugin, newest first; of two with one version the first one offered
        self.all: dict[str, tuple[Available, ...]] = {
            identity: tuple(versions[each] for each in sorted(versions, reverse=True))
            for identity, versions in by_id.items()
        }
        self._matching: dict[tuple[str, str, bool], int] = {}
        #: beside each version: the plugins it can't do without, and which versions of them will do
        self.required: dict[str, tuple[dict[str, int], ...]] = {
            identity: tuple(self._required(each) for each in versions)
            for identity, versions in self.all.items()
        }
        #: the plugins of which some version requires this one
        self.users: dict[str, set[str]] = {}
        for identity, versions in self.required.items():
            for needs in versions:
                for other in needs:
                    self.users.setdefault(other, set()).add(identity)
        #: the versions that could be loaded if no two plugins disagreed
        self.viable: dict[str, int] = {
            identity: sum(1 << bit for bit, each in enumerate(versions) if self._suits(each))
            for identity, versions in self.all.items()
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

    def suits_devkit(self, plugin: Available) -> bool:
        """Tell whether a version runs on this DevKit."""
        return (plugin.oldest is None or plugin.oldest <= self.devkit) and (
            plugin.newest is None or self.devkit <= plugin.newest
        )

    def unmet_runtimes(self, plugin: Available) -> list[Need]:
        """Return the needs of a version that a runtime is there for, but of a version that won't do."""
        return [
            each
            for each in plugin.needs
            if not each.optional
            and each.id in self.runtimes
            and not each.requirement.allows(self.runtimes[each.id])
        ]

    def _required(self, plugin: Available) -> dict[str, int]:
        needs: dict[str, int] = {}
        for each in plugin.needs:
            if not each.optional and each.id not in self.runtimes:
                needs[each.id] = needs.get(each.id, -1) & self.matching(each)
        return needs

    def _suits(self, plugin: Available) -> bool:
        return self.suits_devkit(plugin) and not self.unmet_runtimes(plugin)

    def _prune(self) -> None:
        """Take out, again and again, each version that needs something no version left can give."""
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
                waiting |= self.users.get(identity, set())
