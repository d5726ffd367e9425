"""Compares two documents: a JSON Patch (RFC 6902) from one to the other."""

from __future__ import annotations

from typing import Any

from document import frozen

# above this many pairs of elements, arrays are compared position by position
LCS_PAIRS = 1_000_000


def diff(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return the operations that turn `before` into `after`: add, remove and replace, in order.

    Elements that moved within an array are removed and added; numbers are compared by value.
    """
    patch: list[dict[str, Any]] = []
    _compare(before, after, "", patch)
    return patch


def pointer(path: str, token: str | int) -> str:
    """Return the JSON Pointer (RFC 6901) of a member or element below `path`."""
    return f"{path}/{str(token).replace('~', '~0').replace('/', '~1')}"


def _compare(before: Any, after: Any, path: str, patch: list[dict[str, Any]]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        _compare_objects(before, after, path, patch)
    elif isinstance(before, list) and isinstance(after, list):
        _compare_arrays(before, after, path, patch)
    elif frozen(before) != frozen(after):
        patch.append({"op": "replace", "path": path, "value": after})


def _compare_objects(
    before: dict[str, Any], after: dict[str, Any], path: str, patch: list[dict[str, Any]]
) -> None:
    for name in before:
        if name not in after:
            patch.append({"op": "remove", "path": pointer(path, name)})
    for name, value in after.items():
        if name in before:
            _compare(before[name], value, pointer(path, name), patch)
        else:
            patch.append({"op": "add", "path": pointer(path, name), "value": value})


def _compare_arrays(before: list[Any], after: list[Any], path: str, patch: list[dict[str, Any]]) -> None:
    numbers: dict[Any, int] = {}  # equal elements get one number, which is cheap to compare
    a, b = ([numbers.setdefault(frozen(value), len(numbers)) for value in array] for array in (before, after))
    kept = [*_common(a, b), (len(before), len(after))]
    old = new = 0
    for old_end, new_end in kept:
        # between two kept elements: pair what can be paired, then remove or add the rest; `new` is
        # also the index in the array as patched so far
        while old < old_end and new < new_end:
            _compare(before[old], after[new], pointer(path, new), patch)
            old, new = old + 1, new + 1
        for _ in range(old, old_end):
            patch.append({"op": "remove", "path": pointer(path, new)})
        for index in range(new, new_end):
            patch.append({"op": "add", "path": pointer(path, index), "value": after[index]})
        old, new = old_end + 1, new_end + 1


def _common(before: list[int], after: list[int]) -> list[tuple[int, int]]:
    """Return the positions (in both) of a longest common subsequence."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    head = [(i, i) for i in range(start)]
    tail = [(len(before) - i, len(after) - i) for i in range(end, 0, -1)]
    a, b = before[start : len(before) - end], after[start : len(after) - end]
    if len(a) * len(b) > LCS_PAIRS:
        middle = [(i, i) for i in range(min(len(a), len(b))) if a[i] == b[i]]
    else:
        middle = _longest(a, b)
    return head + [(start + i, start + j) for i, j in middle] + tail


def _longest(a: list[int], b: list[int]) -> list[tuple[int, int]]:
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]  # of the common subsequence of a[i:] and b[j:]
    for i in range(len(a) - 1, -1, -1):
        row, below = lengths[i], lengths[i + 1]
        for j in range(len(b) - 1, -1, -1):
            row[j] = below[j + 1] + 1 if a[i] == b[j] else max(below[j], row[j + 1])
    pairs = []
    i = j = 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
