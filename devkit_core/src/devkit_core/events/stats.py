"""Numbers about plugins: calls, errors, how long they took."""

from __future__ import annotations

import sys
from _thread import allocate_lock
from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from struct import Struct
from time import monotonic
from typing import Any

__all__ = ["TOGETHER", "Latency", "PluginStats", "SystemStats", "Tally"]

#: calls that are counted at once
TOGETHER = 1024
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
    sign, exponent and 4 bits of fraction.

    What ends a call appends it to `fresh`, as seconds, bytes of input and bytes of answer, and calls `sort`
    where those are over `TOGETHER`: sorting many into buckets at once takes a fifth of the time.
    """

    __slots__ = (
        "_buckets",
        "_cancelled",
        "_in",
        "_longest",
        "_out",
        "_seconds",
        "_sorting",
        "errors",
        "fresh",
    )

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.fresh: list[tuple[float, int, int]] = []
        self._in = self._out = self._cancelled = 0
        self._buckets: Counter[int] = Counter()
        self._seconds = 0.0
        self._longest = 0.0
        self._sorting = allocate_lock()

    @property
    def calls(self) -> int:
        """How many have ended."""
        self.sort()
        return self._buckets.total() + self._cancelled

    @property
    def answers(self) -> int:
        """How many ended with an answer."""
        return self.calls - sum(self.errors.values())

    @property
    def bytes_in(self) -> int:
        """Bytes of input, of calls that have ended."""
        self.sort()
        return self._in

    @property
    def bytes_out(self) -> int:
        """Bytes of answers."""
        self.sort()
        return self._out

    def answered(self, began: float, size_in: int, size_out: int) -> None:
        """Count a call that began at this moment of `time.monotonic` and is answered now."""
        self.fresh.append((monotonic() - began, size_in, size_out))
        if len(self.fresh) > TOGETHER:
            self.sort()

    def streamed(self, *, size_in: int = 0, size_out: int = 0) -> None:
        """Count bytes of an input or an answer that goes in parts."""
        self._in += size_in
        self._out += size_out

    def sort(self) -> None:
        """Count what is fresh; any thread may, while others append."""
        with self._sorting:
            count = len(self.fresh)
            if not count:
                return
            seconds, sizes_in, sizes_out = zip(*self.fresh[:count], strict=True)
            del self.fresh[:count]
            times = array("d", seconds)
            if min(times) < 0:
                times = array("d", [max(each, 0.0) for each in times])
            self._in += sum(sizes_in)
            self._out += sum(sizes_out)
            self._seconds += sum(times)
            self._longest = max(self._longest, *times)
            self._buckets.update(memoryview(times).cast("B").cast("H")[_UPPER::4].tolist())

    def failed(self, began: float, size_in: int, code: str) -> None:
        """Count a call that ended with an error of this code."""
        self.errors[code] = self.errors.get(code, 0) + 1
        if code == "cancelled":
            self._cancelled += 1
            self._in += size_in
        else:
            self.answered(began, size_in, 0)

    def latency(self) -> Latency:
        """Return how long the calls took so far."""
        self.sort()
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
