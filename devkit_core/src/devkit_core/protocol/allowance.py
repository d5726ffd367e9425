"""How much may come, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["Allowance", "of_messages"]


class Allowance:
    """Allows so much a second, and `burst` at once: a bucket of tokens. Whatever comes counts for `least`."""

    __slots__ = ("_burst", "_clock", "_least", "_left", "_since", "rate")

    def __init__(
        self, rate: float, burst: float, *, least: float = 0, clock: Callable[[], float] = monotonic
    ) -> None:
        self.rate = rate
        self._least = least
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._since = clock()

    def left(self) -> float:
        """Return how much may come now; below zero where more was spent."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._since) * self.rate)
        self._since = now
        return self._left

    def spend(self, amount: float) -> None:
        """Count what has come, allowed or not."""
        self._left -= amount

    def take(self, amount: float) -> bool:
        """Count so much; False, and no count, where it is too much."""
        amount = max(amount, self._least)
        if amount > self.left():
            return False
        self.spend(amount)
        return True


def of_messages(clock: Callable[[], float] = monotonic) -> Allowance:
    """Return the bytes of frames that a worker may send unasked: 256 KiB a second, and 1 MiB at once."""
    return Allowance(256 << 10, 1 << 20, least=256, clock=clock)
