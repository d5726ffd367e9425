"""When a plugin that died may start again: intensity, pauses, circuit."""

from __future__ import annotations

import enum
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Circuit", "RestartRules", "Restarts"]

_PAUSE = 0.1  # seconds that the second restart waits at most; doubled for each further one
_LONGEST_PAUSE = 30.0
_LONGEST_COOL_DOWN = 10  # times the first


class Circuit(enum.StrEnum):
    """Whether a plugin that isn't running is started for a call."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # it died too often: calls fail at once
    HALF_OPEN = "half-open"  # one more try, on which it depends


@dataclass(frozen=True, slots=True)
class RestartRules:
    """How many restarts are too many: more than `most` in `within` seconds.

    The circuit is open for `cool_down` seconds then, and twice as long each time that the try after it fails.
    """

    most: int = 5
    within: float = 60.0
    cool_down: float = 30.0


class Restarts:
    """Counts one plugin's restarts, and says when the next may begin; no I/O.

    The first is immediate, so that calls don't wait, and so is one after an instance that answered calls.
    Before each further one is a pause, at random between nothing and a bound that doubles, so that plugins
    that died together don't start together.
    `clock` is in seconds, `uniform` returns a number between two.
    """

    def __init__(
        self,
        rules: RestartRules | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.rules = rules or RestartRules()
        self.circuit = Circuit.CLOSED
        self.count = 0  # since the plugin was first loaded
        self._clock = clock
        self._uniform = uniform
        self._falls: deque[float] = deque()  # ends of the last `within` seconds
        self._last = -math.inf  # when a restart began last
        self._useless = 0  # restarts since an instance answered a call
        self._ready = -math.inf
        self._cool_down = 0.0

    @property
    def recent(self) -> int:
        """How many ends count now, and starts that failed: each needs a restart."""
        while self._falls and self._falls[0] <= self._clock() - self.rules.within:
            self._falls.popleft()
        return len(self._falls)

    def pause(self) -> float:
        """Return the seconds until a restart may begin; of an open circuit, until the one try."""
        return max(0.0, self._ready - self._clock())

    def begin(self) -> None:
        """Note that a restart begins."""
        self.count += 1
        self._useless += 1
        self._last = self._clock()

    def fell(self, *, useful: bool = False) -> bool:
        """Note that an instance ended by itself, or couldn't be started; return whether the circuit opens.

        One that was `useful`, as it answered calls, is followed without a pause, like the first.
        """
        if self.circuit is Circuit.OPEN:
            return False
        now = self._clock()
        if self.circuit is Circuit.HALF_OPEN and self._last <= now - self.rules.within:
            self.reset()  # nobody noticed that it went well; that was long ago
        self._falls.append(now)
        if self.circuit is Circuit.HALF_OPEN or self.recent > self.rules.most:
            longest = self.rules.cool_down * _LONGEST_COOL_DOWN
            self._cool_down = min(2 * self._cool_down, longest) or self.rules.cool_down
            self._ready = now + self._cool_down
            self.circuit = Circuit.OPEN
            return True
        self._useless = 0 if useful else min(self._useless, self.recent)
        bound = min(_PAUSE * 2.0 ** min(self._useless - 1, 30), _LONGEST_PAUSE)
        self._ready = now + self._uniform(0.0, bound) if self._useless else now
        return False

    def half_open(self) -> bool:
        """Let one try through, where the circuit is open and has cooled down; return whether it does."""
        if self.circuit is not Circuit.OPEN or self._clock() < self._ready:
            return False
        self.circuit = Circuit.HALF_OPEN
        return True

    def reset(self) -> bool:
        """Forget what happened: all is well, or somebody says so; return whether that closes the circuit."""
        closed, self.circuit = self.circuit is not Circuit.CLOSED, Circuit.CLOSED
        self._falls.clear()
        self._useless = 0
        self._ready = -math.inf
        self._cool_down = 0.0
        return closed
