"""Numbers are short and in the unit that fits."""

import pytest

from devkit_core.cli.numbers import amount, bytes_of, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0, "0 s"), (4.1e-5, "41 µs"), (0.0001484, "148 µs"), (0.00125, "1.25 ms"),
        (0.9, "900 ms"),
        (1.0, "1 s"), (61.5, "61.5 s"), (600, "10 min"), (9000, "2.5 h"), (2e-8, "20 ns"), (1e6, "278 h"),
    ],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"),
        (12_500_000, "11.9 MiB"), (1 << 30, "1 GiB"), (1 << 41, "2048 GiB"),
    ],
)  # fmt: skip
def test_sizes(size, text):
    assert bytes_of(size) == text


def test_amounts():
    assert amount(1234567) == "1,234,567"
