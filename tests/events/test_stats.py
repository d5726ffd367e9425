"""Numbers are right within what the buckets promise, and cost little memory."""

import math
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.events import stats
from devkit_core.events.stats import Latency, PluginStats, Tally


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stats, "monotonic", clock)
    return clock


def test_nothing_yet():
    tally = Tally()
    assert tally.latency() == Latency()
    assert (tally.calls, tally.errors) == (0, {})


@given(st.lists(st.floats(1e-7, 80_000, allow_nan=False), min_size=1, max_size=300))
def test_percentiles_are_near_the_exact_ones(seconds):
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "monotonic", lambda: 0.0)
        for each in seconds:
            tally.answered(-each, 10, 20)
    ordered = sorted(seconds)
    found = tally.latency()
    for share, value in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99), (0.999, found.p999)):
        exact = ordered[max(0, math.ceil(share * len(ordered)) - 1)]
        assert value == pytest.approx(exact, rel=1 / 31)
    assert found.longest == pytest.approx(ordered[-1])
    assert found.mean == pytest.approx(sum(seconds) / len(seconds))
    assert (tally.calls, tally.bytes_in, tally.bytes_out) == (
        len(seconds), 10 * len(seconds), 20 * len(seconds),
    )  # fmt: skip


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12, 1e-9, 2e-9, 1e6, 1e9])
def test_extremes_stay_in_the_table(clock, seconds):
    tally = Tally()
    tally.answered(clock.now - seconds, 0, 0)
    assert tally.calls == 1
    assert tally.latency().p50 is not None


def test_errors_by_code(clock):
    tally = Tally()
    for code in ("call-timeout", "plugin-raised", "plugin-raised"):
        tally.failed(clock.now - 0.5, 7, code)
    tally.answered(clock.now - 0.5, 1, 2)
    assert tally.errors == {"call-timeout": 1, "plugin-raised": 2}
    assert (tally.calls, tally.bytes_in, tally.bytes_out) == (4, 22, 2)
    assert tally.latency().p50 == pytest.approx(0.5, rel=0.04)


def test_a_cancelled_call_counts_but_has_no_time(clock):
    tally = Tally()
    tally.failed(clock.now - 500, 7, "cancelled")
    assert (tally.calls, tally.errors, tally.bytes_in) == (1, {"cancelled": 1}, 7)
    assert tally.latency() == Latency()


def test_the_clock_is_the_one_that_calls_begin_by():
    tally = Tally()
    tally.answered(monotonic() - 1.0, 0, 0)
    assert tally.latency().p50 == pytest.approx(1.0, rel=0.1)


def test_as_data():
    numbers = PluginStats("a", "active", "healthy", calls=3, errors={"call-timeout": 2, "cancelled": 1})
    assert numbers.failed == 3
    data = numbers.as_dict()
    assert data["latency"]["p999"] is None
    assert data["errors"] == {"call-timeout": 2, "cancelled": 1}
