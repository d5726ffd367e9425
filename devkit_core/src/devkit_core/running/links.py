"""Which plugins wait for which, so that no circle of them waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devkit_core.errors import ExecutionError
from devkit_core.workers.host_calls import Link

__all__ = ["DEEPEST", "Links"]

#: calls of plugins to plugins that may lead to one another
DEEPEST = 16


class Links:
    """The calls between plugins that are unanswered now.

    A plugin that takes one call at a time can answer none while it waits for another itself.
    """

    def __init__(self) -> None:
        self._open: set[Link] = set()

    @contextmanager
    def opened(self, caller: str, target: str, serial: bool, parent: Link | None) -> Iterator[Link]:
        """Note a call until the block ends; raises ExecutionError where it could never be answered.

        So it is where the target waits, directly or by others, for the caller's own answer (`call-cycle`).
        """
        link = Link(caller, target, serial, parent, 1 if parent is None else parent.depth + 1)
        if link.depth > DEEPEST:
            raise self._refused(link, f"over {DEEPEST} calls lead to it")
        held = {each.caller for each in _line(link) if each.serial}
        if self._waits(target, held, set()):
            raise self._refused(link, f"`{target}` takes one call at a time, and waits for this one's answer")
        self._open.add(link)
        try:
            yield link
        finally:
            self._open.discard(link)

    def _waits(self, plugin: str, held: set[str], seen: set[object]) -> bool:
        """Say whether a call to this plugin has to wait for the end of a call of one that is held."""
        if plugin in held:
            return True
        if plugin in seen:
            return False
        seen.add(plugin)
        waiting = (each for each in self._open if each.caller == plugin and each.serial)
        return any(self._leads(each, held, seen) for each in waiting)

    def _leads(self, link: Link, held: set[str], seen: set[object]) -> bool:
        if link in seen:
            return False
        seen.add(link)
        if self._waits(link.target, held, seen):
            return True
        return any(self._leads(each, held, seen) for each in self._open if each.parent is link)

    @staticmethod
    def _refused(link: Link, why: str) -> ExecutionError:
        path = [each.caller for each in reversed([*_line(link)])] + [link.target]
        return ExecutionError(
            f"{' → '.join(path)}: {why}",
            code="call-cycle",
            plugin=link.caller,
            hint="make one of the functions `async`, or let the caller pass what the other needs",
        )


def _line(link: Link | None) -> Iterator[Link]:
    while link is not None:
        yield link
        link = link.parent
