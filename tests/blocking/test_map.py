"""Many inputs over one plugin, of the blocking manager: lazily, bounded, in order or not."""

import itertools
import threading
import time

import pytest

from devkit_core.errors import CallTimeout, PluginRaised, UsageError, WorkerCrashed


def test_in_order_and_lazily(busy):
    pulled = []

    def inputs():
        for number in itertools.count():
            pulled.append(number)
            yield f"echo {number}"

    outcomes = busy.map(inputs(), in_flight=8)
    assert pulled == []
    for number in range(100):
        outcome = next(outcomes)
        assert (outcome.position, outcome.value, outcome.error) == (number, str(number), None)
        assert outcome.ok
        assert len(pulled) <= number + 1 + 8
    outcomes.close()
    assert busy.execute("echo after") == "after"


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_all_are_answered_once(busy, count):
    texts = [f"echo {number}" for number in range(count)]
    assert [each.result() for each in busy.map(texts)] == [str(number) for number in range(count)]
    unordered = list(busy.map(texts, ordered=False))
    assert sorted((each.position, int(each.result())) for each in unordered) == [(n, n) for n in range(count)]


def test_errors_are_outcomes(busy, manager):
    inputs = ["echo a", "raise b", 3, "\ud800", "echo c", "die", "echo d", "sleep 60", "echo e"]
    outcomes = list(manager.map("busy", inputs, timeout=0.5))
    assert [each.position for each in outcomes] == list(range(9))
    assert [each.value for each in outcomes if each.ok] == ["a", "c", "d", "e"]
    kinds = [type(each.error) for each in outcomes if not each.ok]
    assert kinds == [PluginRaised, UsageError, UsageError, WorkerCrashed, CallTimeout]
    with pytest.raises(PluginRaised):
        outcomes[1].result()


def test_the_time_limit_is_each_calls_own(busy):
    """Twelve calls of 50 ms, all in flight at a worker that takes one at a time, each within 400 ms."""
    assert all(each.ok for each in busy.map(["sleep 0.05"] * 12, timeout=0.4))


def test_an_iterator_that_fails_and_a_bound_of_nothing(busy):
    def inputs():
        yield "echo a"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        list(busy.map(inputs()))
    with pytest.raises(UsageError):
        list(busy.map(["echo a"], in_flight=0))
    assert busy.execute("echo after") == "after"


def test_large_inputs_and_answers(busy):
    texts = ["echo " + "x" * (1 << 20)] * 40
    assert all(len(each.result()) == 1 << 20 for each in busy.map(texts))
    assert all(len(each.result()) == 3 << 20 for each in busy.map([f"make {3 << 20}"] * 10))


def test_maps_and_calls_of_many_threads(busy, manager):
    failed = []

    def one(ordered: bool) -> None:
        try:
            texts = [f"echo {number}" for number in range(400)]
            found = [(each.position, each.result()) for each in busy.map(texts, ordered=ordered)]
            assert sorted(found) == [(number, str(number)) for number in range(400)]
        except BaseException as error:
            failed.append(error)

    def calls() -> None:
        try:
            for number in range(200):
                assert busy.execute(f"echo {number}") == str(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(n % 2 == 0,)) for n in range(4)]
    threads += [threading.Thread(target=calls) for _ in range(3)]
    for each in threads:
        each.start()
    for _ in range(3):
        time.sleep(0.03)
        manager.reload("busy")
    for each in threads:
        each.join(60)
    assert failed == []
    assert manager.stats("busy").calls == 4 * 400 + 3 * 200


def test_a_consumer_that_pauses_holds_up_nobody_else(busy):
    paused = busy.map(f"echo {number}" for number in itertools.count())
    assert next(paused).value == "0"
    assert [busy.execute(f"echo {n}") for n in range(100)] == [str(n) for n in range(100)]
    assert next(paused).value == "1"
    paused.close()
