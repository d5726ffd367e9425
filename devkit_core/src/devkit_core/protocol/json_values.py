"""A bound on the values of JSON before it is parsed."""

from __future__ import annotations

import re

from devkit_core.errors import PayloadTooLarge

__all__ = ["MOST_VALUES", "check_values"]

#: values and names of one JSON text: a list without any takes 3 bytes of text, and 80 of memory
MOST_VALUES = 1_000_000
_BEFORE = b"[{,:"  # one of them stands before each value but the first
_STRING = re.compile(rb'"[^"]*"?')


def check_values(data: bytes, what: str) -> None:
    """Raise PayloadTooLarge for JSON with too many values; `what` says of what, as `the output of x`."""
    if len(data) <= MOST_VALUES or _count(data) <= MOST_VALUES:
        return
    # marks within strings aren't values; nothing here takes longer, or more memory, for odd text
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if (found := _count(_STRING.sub(b"", bare, count=MOST_VALUES + 1))) > MOST_VALUES:
        raise PayloadTooLarge(
            f"{what} has {found:,} JSON values; the limit is {MOST_VALUES:,}",
            hint="send less at a time, or bytes in a form of their own",
        )


def _count(data: bytes) -> int:
    return len(data) - len(data.translate(None, _BEFORE))  # a third of the time of counting each
