"""Restarts are bounded, paused at random, and end in a circuit that tries again; by an injected clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.running.restarts import Circuit, RestartRules, Restarts


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Clock, *, high: bool = True, **rules: float) -> Restarts:
    """Return restarts whose pauses are as long as they may be, or as short."""
    return Restarts(RestartRules(**rules), clock, lambda low, bound: bound if high else low)


def fall(restarts: Restarts, clock: Clock) -> bool:
    """Let an instance end, and where it may be, start the next after the pause."""
    opened = restarts.fell()
    if not opened:
        clock.now += restarts.pause()
        restarts.begin()
    return opened


def test_the_first_restart_is_immediate_and_pauses_double(clock):
    restarts = made(clock, most=8, within=1000)
    pauses = []
    for _ in range(6):
        restarts.fell()
        pauses.append(restarts.pause())
        clock.now += restarts.pause()
        restarts.begin()
    assert pauses == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6])
    assert restarts.count == 6


def test_after_one_that_answered_calls_there_is_no_pause(clock):
    restarts = made(clock, most=8, within=1000)
    for _ in range(4):
        fall(restarts, clock)
    restarts.fell(useful=True)
    assert restarts.pause() == 0
    restarts.begin()
    restarts.fell()
    assert restarts.pause() == pytest.approx(0.1)
    assert restarts.recent == 6


def test_pauses_are_bounded_and_may_be_nothing(clock):
    restarts = made(clock, most=1000, within=86_400)
    for _ in range(40):
        restarts.fell()
        restarts.begin()
    restarts.fell()
    assert restarts.pause() == 30
    shortest = made(clock, high=False, most=1000, within=86_400)
    shortest.fell()
    shortest.begin()
    shortest.fell()
    assert shortest.pause() == 0


def test_more_than_most_in_the_time_opens_the_circuit(clock):
    restarts = made(clock, most=5, within=60, cool_down=30)
    assert [fall(restarts, clock) for _ in range(6)] == [False] * 5 + [True]
    assert restarts.circuit is Circuit.OPEN
    assert restarts.pause() == 30
    assert not restarts.fell()  # it is open already
    assert not restarts.half_open()
    clock.now += 29.9
    assert not restarts.half_open()


def test_restarts_that_are_long_ago_do_not_count(clock):
    restarts = made(clock, most=2, within=60)
    for _ in range(20):
        assert not fall(restarts, clock)
        clock.now += 31
    assert restarts.recent <= 2


def test_several_that_end_at_once_each_count(clock):
    restarts = made(clock, most=2, within=60)
    assert [restarts.fell() for _ in range(3)] == [False, False, True]


def test_none_at_all(clock):
    assert made(clock, most=0).fell()


def test_the_one_try_closes_it_or_opens_it_for_twice_as_long(clock):
    restarts = made(clock, most=1, within=1000, cool_down=10)
    assert [fall(restarts, clock) for _ in range(2)] == [False, True]
    longest = []
    for _ in range(6):
        clock.now += restarts.pause()
        assert restarts.half_open()
        restarts.begin()
        assert restarts.fell()
        longest.append(restarts.pause())
    assert longest == [20, 40, 80, 100, 100, 100]
    clock.now += 100
    assert restarts.half_open()
    assert restarts.reset()
    assert (restarts.circuit, restarts.recent, restarts.pause()) == (Circuit.CLOSED, 0, 0)
    assert not restarts.reset()


def test_a_try_that_went_well_long_ago_counts_as_one(clock):
    restarts = made(clock, most=1, within=60, cool_down=10)
    fall(restarts, clock), fall(restarts, clock)
    clock.now += 10
    assert restarts.half_open()
    restarts.begin()
    clock.now += 61
    assert not restarts.fell()
    assert restarts.circuit is Circuit.CLOSED


@given(st.lists(st.sampled_from(["fell", "begin", "half_open", "reset", "wait"]), max_size=60))
def test_never_more_restarts_than_allowed_while_closed(steps):
    clock = Clock()
    restarts = Restarts(RestartRules(3, 10.0, 5.0), clock)
    begun: list[float] = []
    for step in steps:
        if step == "wait":
            clock.now += 1.5
        elif step == "begin":
            if restarts.circuit is Circuit.OPEN:
                continue
            if restarts.fell():
                continue
            restarts.begin()
            begun.append(clock.now)
        elif step == "reset":
            restarts.reset()
            begun.clear()
        else:
            getattr(restarts, step)()
        assert restarts.pause() <= 50
        if restarts.circuit is Circuit.CLOSED:
            assert sum(moment > clock.now - 10 for moment in begun) <= 3
