"""Numbers as a human reads them: amounts, durations, sizes."""

from __future__ import annotations

__all__ = ["amount", "bytes_of", "duration"]

_STEPS = ((1e-6, 1e-9, "ns"), (1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min"))
_NOTHING = "-"


def amount(number: int) -> str:
    """Return a count with its thousands set apart."""
    return f"{number:,}"


def duration(seconds: float | None) -> str:
    """Return a duration with three digits in the unit that fits, as `1.25 ms`."""
    if seconds is None:
        return _NOTHING
    if seconds == 0:
        return "0 s"
    for below, unit, name in _STEPS:
        if seconds < below:
            return f"{_digits(seconds / unit)} {name}"
    return f"{_digits(seconds / 3600)} h"


def bytes_of(size: int | None) -> str:
    """Return a size in bytes, KiB, MiB or GiB."""
    if size is None:
        return _NOTHING
    if size < 1024:
        return f"{size} B"
    power = min((size.bit_length() - 1) // 10, 3)
    return f"{_digits(size / 1024**power)} {('KiB', 'MiB', 'GiB')[power - 1]}"


def _digits(value: float) -> str:
    text = f"{value:.{max(0, 3 - len(str(int(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
