"""What has to be loaded for the plugins that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from devkit_core import __version__
from devkit_core.catalog.resolver import Order, available, order
from devkit_core.model.manifest import Manifest
from devkit_core.model.types import Discovered

__all__ = ["order_of"]

Usable = Mapping[str, tuple[Manifest, str]]  # an id to the manifest and its folder


def order_of(
    wanted: Sequence[str], found: Iterable[Discovered], runtimes: Callable[[], Mapping[str, str]]
) -> Order:
    """Return what `order` says of the plugins found.

    `runtimes` is called only where something wanted needs others: it may start programs, as
    `node --version`.
    """
    all_found = list(found)
    usable = {
        each.id: (each.manifest, str(each.folder))
        for each in all_found
        if each.manifest is not None and each.error is None and each.shadowed_by is None
    }
    unusable = {each.id: each.error.message for each in all_found if each.error is not None}

    def among(offered: Usable) -> Order:
        needed = any(manifest.dependencies for manifest, _ in offered.values())
        return order(
            wanted,
            [available(manifest, place) for manifest, place in offered.values()],
            runtimes() if needed else {},
            __version__,
            unusable=unusable,
        )

    plan = among(_needed(wanted, usable))
    # only what goes wrong takes a look at all that there is, to say what was meant
    return among(usable) if plan.failures else plan


def _needed(wanted: Iterable[str], usable: Usable) -> Usable:
    """Return the plugins wanted and all that they may need, directly or through others."""
    near: dict[str, tuple[Manifest, str]] = {}
    waiting = list(wanted)
    while waiting:
        each = waiting.pop()
        if each in usable and each not in near:
            near[each] = usable[each]
            waiting += [need.id for need in usable[each][0].dependencies]
    return near
