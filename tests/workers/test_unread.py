"""Items of a stream that nobody has read yet: in order, and in little more memory than their bytes."""

import asyncio
import math
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from devkit_core.protocol.messages import Result
from devkit_core.workers.pending import StreamingCall
from devkit_core.workers.unread import Unread

ITEMS = st.lists(
    st.tuples(st.integers(0, 700), st.integers(0, 80), st.booleans(), st.integers(0, 200)), max_size=40
)


@given(ITEMS)
def test_items_come_out_as_they_came_in(runs):
    """Runs of items of one size, each followed by some that are taken."""
    unread, expected, number = Unread(), [], 0
    for size, count, text, taken in runs:
        for _ in range(count):
            number += 1
            data = number.to_bytes(4, "big") * (size // 4)
            unread.add(data, text)
            expected.append(Result(data, text))
        for _ in range(min(taken, len(expected))):
            assert unread.take() == expected.pop(0)
        assert len(unread) == len(expected)
    assert [unread.take() for _ in range(len(unread))] == expected
    assert not unread


async def test_a_window_of_small_items_takes_little_memory():
    call = StreamingCall("one", 0, b"", True, math.inf, asyncio.get_running_loop())
    tracemalloc.start()
    try:
        for number in range(1 << 18):  # half a window
            call.item(number.to_bytes(4, "big")[2:], False)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 4 << 20
    for number in range(1 << 12):
        assert (await call.next()).data == number.to_bytes(4, "big")[2:]
