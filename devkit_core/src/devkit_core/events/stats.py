"""Numbers about plugins: calls, errors, how long they took."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import frexp, ldexp
from time import monotonic
from typing import Any

__all__ = ["Latency", "PluginStats", "SystemStats", "Tally"]

#: buckets an octave: a percentile is off by 1/32 of its value at most
_PARTS = 16
_LOWEST = -30  # 2**-30 s, about a nanosecond
_BUCKETS = 64 * _PARTS
_SHIFT = -_LOWEST * _PARTS - _PARTS


@dataclass(frozen=True, slots=True)
class Latency:
    """How long calls took, in seconds, from the request to its end; None where there was none."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    longest: float | None = None


class Tally:
    """Counts one plugin's calls as they end, in buckets that grow with the logarithm of time.

    A call that was answered, with a result or an error, is counted in the latency; one that its caller
    cancelled only under the error code `cancelled`.
    """

    __slots__ = ("_buckets", "_longest", "_seconds", "bytes_in", "bytes_out", "calls", "errors")

    def __init__(self) -> None:
        self.calls = 0
        self.errors: dict[str, int] = {}
        self.bytes_in = 0
        self.bytes_out = 0
        self._buckets = [0] * _BUCKETS
        self._seconds = 0.0
        self._longest = 0.0

    def answered(self, began: float, size_in: int, size_out: int) -> None:
        """Count a call that began at this moment of `time.monotonic` and is answered now."""
        seconds = monotonic() - began
        self.calls += 1
        self.bytes_in += size_in
        self.bytes_out += size_out
        self._seconds += seconds
        if seconds > self._longest:  # noqa: PLR1730 - max() takes twice as long, on every call
            self._longest = seconds
        if seconds > 1e-9:
            part, octave = frexp(seconds)
            self._buckets[octave * _PARTS + int(part * 32) + _SHIFT] += 1
        else:
            self._buckets[0] += 1

    def failed(self, began: float, size_in: int, code: str) -> None:
        """Count a call that ended with an error of this code."""
        self.errors[code] = self.errors.get(code, 0) + 1
        if code == "cancelled":
            self.calls += 1
            self.bytes_in += size_in
        else:
            self.answered(began, size_in, 0)

    def latency(self) -> Latency:
        """Return how long the calls took so far."""
        counted = sum(self._buckets)
        if not counted:
            return Latency()
        bounds = [0.5, 0.9, 0.99, 0.999]
        found: list[float] = []
        passed = 0
        for index, count in enumerate(self._buckets):
            passed += count
            while len(found) < len(bounds) and passed >= bounds[len(found)] * counted:
                found.append(min(_middle(index), self._longest))
        p50, p90, p99, p999 = found
        return Latency(self._seconds / counted, p50, p90, p99, p999, self._longest)


def _middle(index: int) -> float:
    place = index - _SHIFT
    octave, part = place // _PARTS - 1, place % _PARTS + _PARTS
    return ldexp((part + 0.5) / 32, octave)


@dataclass(frozen=True, slots=True)
class PluginStats:
    """One plugin's numbers since its manager began; they stay when it is unloaded.

    `errors` counts by code. `restarts` are fresh workers after one that died, `reloads` swaps.
    `memory_bytes` (resident) and `cpu_seconds` are those of the worker process that runs now, without
    what it may have started; None where there is none. `uptime_seconds` is its instance's.
    """

    id: str
    status: str
    health: str
    calls: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    bytes_in: int = 0
    bytes_out: int = 0
    restarts: int = 0
    reloads: int = 0
    pid: int | None = None
    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    uptime_seconds: float | None = None

    @property
    def failed(self) -> int:
        """How many calls ended with an error."""
        return sum(self.errors.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready data; keys are added over time, never renamed."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SystemStats:
    """A manager's numbers. `started_at` and `last_scan_at` are seconds since the epoch."""

    total_plugins: int
    loaded_plugins: int
    failed_plugins: int
    total_events: int
    started_at: float
    last_scan_at: float | None
    calls: int
    failed_calls: int
    plugins: dict[str, PluginStats]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready data; keys are added over time, never renamed."""
        return asdict(self)
