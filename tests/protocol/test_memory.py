"""Both ends of the memory that large payloads travel in, and a worker's end that lies."""

import importlib.util
import mmap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit_core.protocol.frames import FrameError
from devkit_core.protocol.memory import AREA, PLACE, RING, Incoming, Outgoing

CHILD = Path(__file__).parents[2] / "devkit_core/src/devkit_core/child"


def _child_memory(page: mmap.mmap):
    spec = importlib.util.spec_from_file_location("child_memory", CHILD / "memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Memory(page)


class Both:
    """The two ends of one memory."""

    def __init__(self) -> None:
        self.page = mmap.mmap(-1, AREA)
        whole = memoryview(self.page)
        self.out, self.back = Outgoing(whole), Incoming(whole)
        self.child = _child_memory(self.page)


sizes = st.one_of(st.integers(1, 1 << 20), st.integers(RING // 3, RING), st.just(RING))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), sizes, st.integers(0, 255)), max_size=12), st.booleans())
def test_what_is_put_is_taken_in_order_whoever_is_behind(steps, downwards):
    both = Both()
    put, take = (both.out.put, both.child.take) if downwards else (both.child.put, both.back.take)
    waiting: list[tuple[bytes, bytes]] = []
    for puts, size, fill in steps:
        if puts:
            data = bytes([fill]) * size
            place = put(data)
            if place is not None:
                waiting.append((place, data))
            else:
                assert waiting, "an empty ring has room for anything that fits"
        elif waiting:
            place, data = waiting.pop(0)
            assert take(place) == data
    for place, data in waiting:
        assert take(place) == data


def test_a_payload_larger_than_the_ring_goes_another_way():
    both = Both()
    assert both.out.put(b"x" * (RING + 1)) is None
    assert both.child.put(b"x" * (RING + 1)) is None


@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=5000))
def test_ascii_goes_as_it_lies_in_memory(text):
    both = Both()
    place = both.out.put_text(text)
    assert place is not None
    assert both.child.take(place) == text.encode()


@given(st.text(min_size=1, max_size=2000))
def test_a_text_comes_decoded(text):
    both = Both()
    data = text.encode("utf-8", "surrogatepass")
    assert both.back.take_text(both.child.put(data), 1 << 20) == (data.decode("utf-8", "replace"), len(data))


def test_a_text_over_the_limit_stays_where_it_is():
    both = Both()
    place = both.child.put(b"x" * 1001)
    assert both.back.take_text(place, 1000) is None
    assert both.back.take(place) == b"x" * 1001


@pytest.mark.parametrize(
    "place",
    [
        b"",
        b"short",
        PLACE.pack(0, RING + 1),
        PLACE.pack(RING - 5, 6),
        PLACE.pack(3 * RING, 1),
        PLACE.pack((1 << 64) - 1, 1),
        PLACE.pack(0, 0xFFFFFFFF),
    ],
)
def test_a_place_that_can_not_be(place):
    both = Both()
    with pytest.raises(FrameError):
        both.back.take(place)
    with pytest.raises(FrameError):
        both.back.take_text(place, 1 << 30)


def test_a_place_that_was_left_behind():
    both = Both()
    place = both.child.put(b"once")
    both.back.take(place)
    with pytest.raises(FrameError):
        both.back.take(place)


@given(st.integers(0, (1 << 64) - 1))
def test_a_worker_that_lies_of_how_far_it_came_harms_only_itself(mark):
    both = Both()
    both.out.put(b"x" * 1000)
    both.child.taken[0] = mark
    place = both.out.put(b"y" * 1000)
    if place is not None:
        start, size = PLACE.unpack(place)
        assert start % RING + size <= RING
