"""Numbers about plugins: calls, errors, how long they took."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from struct import Struct
from time import monotonic
from typing import Any

__all__ = ["Latency", "PluginStats", "SystemStats", "Tally"]

_TOGETHER = 1024  # times that are sorted into buckets at once
_UPPER = 3 if sys.byteorder == "little" else 0  # of the four 16-bit parts of a float
_DOUBLE, _FLOAT = Struct("=Q"), Struct("=d")


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
    cancelled only under the error code `cancelled`. A bucket is the upper 16 bits of a time as a float:
    sign, exponent and 4 bits of fraction. Times are kept as they come and sorted into buckets by the
    thousand, which takes a fifth of the time.
    """

    __slots__ = (
        "_buckets",
        "_cancelled",
        "_fresh",
        "_longest",
        "_seconds",
        "bytes_in",
        "bytes_out",
        "errors",
    )

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.bytes_in = 0
        self.bytes_out = 0
        self._cancelled = 0
        self._fresh: list[float] = []
        self._buckets: Counter[int] = Counter()
        self._seconds = 0.0
        self._longest = 0.0

    @property
    def calls(self) -> int:
        """How many have ended."""
        return self._buckets.total() + len(self._fresh) + self._cancelled

    def answered(self, began: float, size_in: int, size_out: int) -> None:
        """Count a call that began at this moment of `time.monotonic` and is answered now."""
        self.bytes_in += size_in
        self.bytes_out += size_out
        fresh = self._fresh
        fresh.append(monotonic() - began)
        if len(fresh) >= _TOGETHER:
            self._sort()

    def _sort(self) -> None:
        fresh, self._fresh = self._fresh, []
        times = array("d", [seconds if seconds > 0 else 0.0 for seconds in fresh])
        self._seconds += sum(times)
        self._longest = max(self._longest, max(times, default=0.0))
        self._buckets.update(memoryview(times).cast("B").cast("H")[_UPPER::4].tolist())

    def failed(self, began: float, size_in: int, code: str) -> None:
        """Count a call that ended with an error of this code."""
        self.errors[code] = self.errors.get(code, 0) + 1
        if code == "cancelled":
            self._cancelled += 1
            self.bytes_in += size_in
        else:
            self.answered(began, size_in, 0)

    def latency(self) -> Latency:
        """Return how long the calls took so far."""
        self._sort()
        counted = self._buckets.total()
        if not counted:
            return Latency()
        bounds = [0.5, 0.9, 0.99, 0.999]
        found: list[float] = []
        passed = 0
        for bucket, count in sorted(self._buckets.items()):
            passed += count
            while len(found) < len(bounds) and passed >= bounds[len(found)] * counted:
                found.append(min(_middle(bucket), self._longest))
        p50, p90, p99, p999 = found
        return Latency(self._seconds / counted, p50, p90, p99, p999, self._longest)


def _middle(bucket: int) -> float:
    lower, upper = _DOUBLE.pack(bucket << 48), _DOUBLE.pack((bucket + 1) << 48)
    return (_FLOAT.unpack(lower)[0] + _FLOAT.unpack(upper)[0]) / 2 if bucket else 0.0


@dataclass(frozen=True, slots=True)
class PluginStats:
    """One plugin's numbers since its manager began; they stay when it is unloaded.

    `errors` counts by code. `restarts` are fresh workers after one that died, `reloads` swaps.
    `workers` is how many instances run, `pid` the first one's process, `pids` all. `memory_bytes` (resident)
    and `cpu_seconds` are those of these processes together, without what they may have started; None where
    there is none. `uptime_seconds` is the instances'. `circuit` is `open` where calls fail at once, as the
    plugin died too often, for `retry_seconds` more, and `half-open` where it is being tried.
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
    workers: int = 0
    pid: int | None = None
    pids: list[int] = field(default_factory=list)
    circuit: str = "closed"
    retry_seconds: float | None = None
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
