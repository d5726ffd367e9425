"""The ticker runs while code does, and ends when nothing has run for a while."""

import time

import wasmtime

from devkit_loader_wasm.engine import Ticker, configure


def test_the_ticker_ends_when_idle_and_starts_again():
    ticker = Ticker(wasmtime.Engine(configure()))
    assert not ticker.running
    for _ in range(2):
        ticker.touch()
        assert ticker.running
        until = time.monotonic() + 10
        while ticker.running and time.monotonic() < until:
            time.sleep(0.01)
        assert not ticker.running


def test_the_ticker_runs_as_long_as_it_is_held():
    ticker = Ticker(wasmtime.Engine(configure()))
    ticker.hold()
    time.sleep(0.6)
    assert ticker.running
    ticker.release()
