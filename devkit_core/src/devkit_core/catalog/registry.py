"""What the host knows: plugins found, and who needs whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from devkit_core.errors import HasDependents, NotFound

if TYPE_CHECKING:
    from devkit_core.model.types import Discovered

__all__ = ["Registry"]

_HINT = "`devkit plugin list` shows the plugins there are, `devkit plugin search` those to install."


class Registry:
    """The plugins of one host by id, and the dependencies of those that are loaded. No I/O."""

    def __init__(self) -> None:
        self._found: list[Discovered] = []
        self._by_id: dict[str, Discovered] = {}
        self._needs: dict[str, frozenset[str]] = {}  # in the order of loading

    def replace(self, found: Iterable[Discovered]) -> None:
        """Take over what a discovery found; what is loaded stays loaded.

        Of several plugins with one id the one that can be used counts, then the nearest.
        """
        self._found = list(found)
        by_id: dict[str, Discovered] = {}
        for each in self._found:
            if each.id not in by_id or (_usable(each) and not _usable(by_id[each.id])):
                by_id[each.id] = each
        self._by_id = by_id

    def __iter__(self) -> Iterator[Discovered]:
        """Go through all that was found, nearest source first, shadowed and broken ones too."""
        return iter(self._found)

    def __contains__(self, plugin: str) -> bool:
        return plugin in self._by_id

    def get(self, plugin: str) -> Discovered | None:
        """Return the plugin of that id, usable or not, or None."""
        return self._by_id.get(plugin)

    def find(self, plugin: str) -> Discovered:
        """Return the plugin of that id; raises NotFound, with the id that was likely meant."""
        known = self._by_id.get(plugin)
        if known is not None:
            return known
        from difflib import get_close_matches

        near = get_close_matches(plugin[:64], self._by_id, n=1)
        hint = f"Did you mean {near[0]}?" if near else _HINT
        raise NotFound(f"there is no plugin {plugin!r}"[:200], hint=hint)

    def loaded(self) -> list[str]:
        """Return the ids of loaded plugins, in the order of loading; shut down in the reverse."""
        return list(self._needs)

    def add_loaded(self, plugin: str, needs: Iterable[str]) -> None:
        """Note that a plugin is loaded and which plugins it needs."""
        self._needs[plugin] = frozenset(needs) - {plugin}

    def arrange(self, plugins: Iterable[str]) -> None:
        """Let these count as loaded in this order, and last: several were started at once."""
        for each in plugins:
            if each in self._needs:
                self._needs[each] = self._needs.pop(each)

    def remove_loaded(self, plugin: str) -> None:
        """Note that a plugin isn't loaded any more; it then holds nothing that it needed."""
        self._needs.pop(plugin, None)

    def dependencies(self, plugin: str) -> list[str]:
        """Return the loaded plugins that a loaded one needs itself, in the order of loading."""
        needs = self._needs.get(plugin, frozenset())
        return [each for each in self._needs if each in needs]

    def dependents(self, plugin: str) -> list[str]:
        """Return the loaded plugins that need this one, directly or through others, last loaded first.

        Unloading them in this order, then the plugin, leaves none without what it needs.
        """
        found = {plugin}
        waiting = [plugin]
        while waiting:
            current = waiting.pop()
            for each, needs in self._needs.items():
                if current in needs and each not in found:
                    found.add(each)
                    waiting.append(each)
        found.discard(plugin)
        return [each for each in reversed(self._needs) if each in found]

    def check_unload(self, plugin: str) -> None:
        """Raise HasDependents where loaded plugins need this one."""
        holders = self.dependents(plugin)
        if holders:
            shown = ", ".join(reversed(holders))
            raise HasDependents(
                f"{plugin} is needed by {shown}",
                chain=[holders[0], plugin],
                hint="Unload those first, or all at once with --cascade.",
                plugin=plugin,
            )


def _usable(plugin: Discovered) -> bool:
    return plugin.error is None and plugin.shadowed_by is None
