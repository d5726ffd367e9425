"""Whether to look for an answer before sleeping."""

from __future__ import annotations

import os

__all__ = ["Patience"]

#: waits that are slept through, at most, after looking was in vain
_MOST = 1023


class Patience:
    """Remembers how often looking was in vain.

    So it is where other programs want the processors too: then it only takes time from the worker that is
    waited for, and each time in vain doubles the waits that are slept through. With one processor nobody
    looks.
    """

    __slots__ = ("_looks", "_sleeps", "_vain")

    def __init__(self) -> None:
        self._looks = len(os.sched_getaffinity(0)) > 1
        self._vain = self._sleeps = 0

    def may_look(self) -> bool:
        """Say, for one wait, whether looking is worth it."""
        if self._sleeps:
            self._sleeps -= 1
            return False
        return self._looks

    def found(self) -> None:
        """Note that looking found the answer."""
        self._vain >>= 1

    def in_vain(self) -> None:
        """Note that it didn't."""
        self._vain = self._sleeps = min(2 * self._vain + 1, _MOST)
