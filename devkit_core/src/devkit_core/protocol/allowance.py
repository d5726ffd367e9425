"""How much a worker may send unasked, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["Allowance"]

_BURST = 1 << 20  # bytes that may come at once
_RATE = 256 * 1024  # bytes a second after that
_LEAST = 256  # bytes that each frame counts for


class Allowance:
    """Counts the bytes of frames against the time that has passed."""

    __slots__ = ("_clock", "_left", "_since")

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._left = float(_BURST)
        self._since = clock()

    def take(self, size: int) -> bool:
        """Count a frame with a payload of so many bytes; False, and no count, where it is too much."""
        now = self._clock()
        self._left = min(_BURST, self._left + (now - self._since) * _RATE)
        self._since = now
        if (size := max(size, _LEAST)) > self._left:
            return False
        self._left -= size
        return True
