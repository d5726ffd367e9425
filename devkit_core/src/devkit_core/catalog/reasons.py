"""Why a plugin can't be loaded, with its chain."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from devkit_core.catalog.offers import DEVKIT, Available, Need, Offers
from devkit_core.catalog.solving import Impossible
from devkit_core.errors import DependencyConflict, DependencyCycle, DependencyError, DependencyMissing

__all__ = ["Reasons"]

# Only distributions that exist: a name made up from a manifest's text would be a stranger's to register.
_LOADERS = {
    "python-runtime": "devkit-loader-python",
    "node-runtime": '"devkit-loader-node[node]"',  # with Node.js: it may be what is missing, or too old
    "native-runtime": "devkit-loader-native",
    "wasm-runtime": "devkit-loader-wasm",
}
_SHOWN = 5  # versions, holders or places in one message


class Reasons:
    """Makes the errors of one resolution; `unusable` says why known plugins aren't offered."""

    def __init__(self, offers: Offers, unusable: Mapping[str, str]) -> None:
        self._offers = offers
        self._unusable = unusable

    def alone(self, plugin: str) -> DependencyError | None:
        """Return why a plugin can't be loaded even with nothing else, or None where that isn't so."""
        offers = self._offers
        if plugin not in offers.plugins:
            return self._absent(plugin, [plugin], "")
        if offers.viable[plugin]:
            return None
        # The nearest fault is the one to show; each step leads to a version that can't be loaded either.
        newest = offers.all[plugin][0]
        waiting: deque[tuple[Available, list[str]]] = deque([(newest, [plugin])])
        seen = {newest}
        while waiting:
            current, chain = waiting.popleft()
            fault = self._own(current, chain)
            if fault is not None:
                return fault
            for each in self._culprits(current):
                if each not in seen:
                    seen.add(each)
                    waiting.append((each, [*chain, each.id]))
        raise AssertionError(f"{plugin} was pruned without a reason")

    def together(self, plugin: str, error: Impossible) -> DependencyError:
        """Return why a plugin doesn't go with those that were taken before it."""
        offers = self._offers
        parts: list[str] = []
        for holder in error.holders[:_SHOWN]:
            need = next((each for each in holder.needs if each.id == error.id), None)
            if need is not None:
                parts.append(f"{holder} needs {_said(need)}")
        if not parts:
            parts.append(f"what is loaded needs other versions of {error.id}")
        offered = f"; {self._offered(error.id)}" if error.id in offers.all else ""
        chain = [plugin] if plugin == error.id else [plugin, error.id]
        return DependencyConflict(
            f"{plugin} doesn't go with the others: {', '.join(parts)}{offered}",
            chain=chain,
            hint="Load one of them without the other, or take versions that agree.",
            plugin=plugin,
        )

    def too_hard(self, plugin: str) -> DependencyError:
        """Return the error for a search that was given up."""
        return DependencyConflict(
            f"no versions that go together were found for {plugin} within the limit of steps",
            code="dependency-too-hard",
            chain=[plugin],
            hint="Narrow it down: fewer versions on offer, or requirements that leave less to choose.",
            plugin=plugin,
        )

    def cycle(self, way: Sequence[str]) -> DependencyError:
        """Return the error for a way that leads into a cycle, its last plugin standing in it twice."""
        return DependencyCycle(
            f"plugins wait for each other: {' → '.join(way)}",
            chain=way,
            hint="Take one of these dependencies out, or make it optional.",
            plugin=way[0],
        )

    def _own(self, plugin: Available, chain: list[str]) -> DependencyError | None:
        """Return what a version lacks itself, if it does."""
        offers = self._offers
        before = f"{' → '.join(chain)}: " if len(chain) > 1 else ""
        required = offers.required[plugin.id][offers.all[plugin.id].index(plugin)]
        if not required.get(DEVKIT, 1):
            return self._other_devkit(plugin, chain, before)
        for need in plugin.needs:
            if need.optional or required.get(need.id):
                continue
            way = [*chain, need.id]
            if need.id not in offers.all:
                return self._absent(need.id, way, f"{before}{plugin.id} needs {_said(need)}, but ")
            if need.id in offers.runtimes:
                there = f"{offers.runtimes[need.id]} is what there is"
                runtime = need.id.removesuffix("-runtime")
                hint = f"Run DevKit with another {runtime}, or take another {plugin.id}."
            else:
                there = self._offered(need.id)
                hint = f"Take a {need.id} that will do, or another {plugin.id}."
            return DependencyConflict(
                f"{before}{plugin.id} needs {_said(need)}, but {there}",
                chain=way,
                hint=hint,
                plugin=chain[0],
            )
        return None

    def _culprits(self, plugin: Available) -> list[Available]:
        """Return, for each need that no version can meet as it is, the newest version that should."""
        offers = self._offers
        required = offers.required[plugin.id][offers.all[plugin.id].index(plugin)]
        return [
            offers.all[each][(versions & -versions).bit_length() - 1]
            for each, versions in required.items()
            if not versions & offers.viable[each]
        ]

    def _absent(self, missing: str, chain: list[str], before: str) -> DependencyError:
        distribution = _LOADERS.get(missing)
        if missing in self._unusable:
            message = f"{missing} can't be used: {self._unusable[missing]}"
            hint = f"`devkit plugin info {missing}` says more."
        elif distribution is not None:
            message, hint = f"nothing here provides {missing}", f"pip install {distribution}"
        elif missing.endswith("-runtime"):
            message, hint = f"nothing provides {missing}", "An extension that brings this runtime is missing."
        else:
            message, hint = (
                f"there is no plugin {missing}",
                "`devkit plugin list` shows the plugins there are.",
            )
        return DependencyMissing(f"{before}{message}"[:2000], chain=chain, hint=hint, plugin=chain[0])

    def _other_devkit(self, plugin: Available, chain: list[str], before: str) -> DependencyError:
        bounds = [f">={plugin.oldest}"] if plugin.oldest else []
        bounds += [f"<={plugin.newest}"] if plugin.newest else []
        return DependencyConflict(
            f"{before}{plugin} needs DevKit {','.join(bounds)}, but this is {self._offers.devkit}",
            code="dependency-devkit",
            chain=chain,
            hint=f"Take another version of {plugin.id}, or of DevKit.",
            plugin=chain[0],
        )

    def _offered(self, plugin: str) -> str:
        """Return the versions on offer and where they are: `1.0.0 is in plugins/b`."""
        versions = self._offers.all[plugin]
        shown = ", ".join(
            f"{each.version} is in {each.place}" if each.place else str(each.version)
            for each in versions[:_SHOWN]
        )
        more = len(versions) - _SHOWN
        return f"{shown} and {more} more" if more > 0 else shown


def _said(need: Need) -> str:
    return need.id if need.requirement.text.strip() == "*" else f"{need.id} {need.requirement}"
