"""The host's end of a channel, whatever a worker sends."""

import importlib.util
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from devkit_core.protocol.connection import WIRE_WINDOW
from devkit_core.protocol.frames import FRAME_PAYLOAD, OPTIONAL_KIND, Flag, Kind, chunks, encode
from devkit_core.protocol.handshake import STREAM_WINDOW
from devkit_core.protocol.memory import AREA

_spec = importlib.util.spec_from_file_location(
    "vectors_of_tests", Path(__file__).with_name("test_vectors.py")
)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
Call, Host = _module.Call, _module.Host


def sizes(limit):
    return st.integers(min_value=1, max_value=limit)


@given(st.binary(max_size=5000), sizes(700))
@settings(deadline=None, max_examples=200)
def test_noise_never_raises_and_never_answers(noise, size):
    host = Host()
    calls = [Call() for _ in range(3)]
    for call in calls:
        host.connection.submit(call)
    host.receive(noise, size)
    assert len(host.broken) <= 1


@given(
    st.lists(st.tuples(st.binary(max_size=3000), st.booleans()), min_size=1, max_size=20),
    sizes(2000),
    st.randoms(),
)
@settings(deadline=None, max_examples=100)
def test_answers_reach_their_calls_in_any_order_and_cut_anywhere(payloads, size, random):
    host = Host()
    calls = [Call(data) for data, _ in payloads]
    for call in calls:
        host.connection.submit(call)
    order = list(zip(calls, payloads, strict=True))
    random.shuffle(order)
    stream = b"".join(
        b"".join(chunks(Kind.RESULT, Flag.TEXT if text else 0, 0, call.id, data, size=512))
        for call, (data, text) in order
    )
    host.receive(stream, size)
    assert host.broken == []
    for call, (data, text) in zip(calls, payloads, strict=True):
        assert call.answer.data == data
        assert call.answer.text == text
    assert host.connection.sent == {}


@given(st.integers(0, 3), st.integers(0, 300), sizes(4096))
@settings(deadline=None, max_examples=30)
def test_frames_larger_than_the_buffer(parts, extra, size):
    host = Host(limit=8 << 20)
    host.connection.submit(call := Call())
    data = bytes(range(256)) * ((parts * FRAME_PAYLOAD + 300_000) // 256) + b"e" * extra
    host.receive(b"".join(chunks(Kind.RESULT, 0, 0, call.id, data)), size * 64)
    assert call.answer.data == data


def test_what_is_in_flight_is_bounded_by_bytes():
    host = Host()
    calls = [Call(b"y" * (WIRE_WINDOW // 4)) for _ in range(10)]
    for call in calls:
        host.connection.submit(call)
    assert len(host.connection.sent) <= 4
    answered = 0
    while answered < 10:
        number = next(iter(host.connection.sent))
        host.receive(encode(Kind.RESULT, 3, 0, number, b"ok"))
        answered += 1
    assert all(call.answer.value == "ok" for call in calls)
    assert host.broken == []


def test_a_call_larger_than_the_window_goes_alone():
    host = Host()
    host.connection.submit(large := Call(b"z" * (3 * WIRE_WINDOW)))
    host.connection.submit(small := Call(b"s"))
    assert list(host.connection.sent.values()) == [large]
    host.receive(encode(Kind.RESULT, 3, 0, large.id, b"l"))
    assert list(host.connection.sent.values()) == [small]


def test_who_had_begun():
    host = Host()
    calls = [Call() for _ in range(4)]
    for call in calls:
        host.connection.submit(call)
    host.receive(encode(Kind.RESULT, 3, 0, calls[0].id, b"ok"))
    assert host.connection.leave() == ([calls[1]], calls[2:])
    host = Host()
    host.connection.concurrency = 8
    for call in calls[1:]:
        host.connection.submit(call)
    host.receive(encode(Kind.STARTED, 0, 0, calls[2].id))
    assert host.connection.leave() == (calls[1:3], [calls[3]])
    host = Host()
    for call in calls[1:]:
        host.connection.submit(call)
    assert host.connection.leave(last=0) == ([], calls[1:])


def test_a_cancelled_call_is_told_once_and_its_answer_dropped():
    host = Host()
    host.connection.submit(call := Call())
    host.connection.cancel(call, 1.0)
    host.connection.cancel(call, 2.0)
    cancels = [w for w in host.written if w[4] == Kind.CANCEL]
    assert len(cancels) == 1
    call.failure = "given up"
    host.receive(encode(Kind.RESULT, 3, 0, call.id, b"late"))
    assert call.answer is None
    assert host.connection.sent == {}
    assert host.connection.abandoned == {}


def test_a_result_over_the_limit():
    host = Host(limit=1000)
    host.connection.submit(call := Call())
    host.receive(
        encode(Kind.RESULT, 0, 0, call.id, b"x" * 600) + encode(Kind.CHUNK, 0, 0, call.id, b"x" * 600)
    )
    assert call.failure.code == "payload-too-large"
    assert len(host.broken) == 1


def test_an_error_that_cannot_be_read_leaves_its_call_to_fail_with_the_worker():
    host = Host()
    host.connection.submit(call := Call())
    host.receive(encode(Kind.ERROR, 0, 0, call.id, b"[" * 100_000))
    assert len(host.broken) == 1
    assert host.connection.leave() == ([call], [])


def test_a_time_that_is_no_number_is_over():
    host = Host()
    host.connection.submit(call := Call())
    call.deadline = float("nan")
    assert list(host.connection.expired(0.0)) == [call]


def stream_of(call, count, data):
    yield encode(Kind.RESULT, Flag.STREAM | Flag.ITEM, 0, call.id, data)
    for _ in range(count - 1):
        yield encode(Kind.CHUNK, Flag.ITEM, 0, call.id, data)
    yield encode(Kind.CHUNK, Flag.END, 0, call.id)


def credits(host):
    return [int.from_bytes(w[12:], "big") for w in host.written if w[4] == Kind.CREDIT]


def test_items_of_a_whole_answer_are_credited_once_each():
    host = Host()
    host.connection.submit(call := Call())
    host.receive(b"".join(stream_of(call, 100, b"item")))
    assert call.answer.data == b"item" * 100
    assert credits(host) == [4] * 100


def test_a_stream_that_ignores_its_credit_ends_its_worker():
    host = Host()
    host.connection.submit(call := Call())
    call.streams = True
    item = b"i" * (STREAM_WINDOW // 4)
    host.receive(b"".join([*stream_of(call, 4, item)][:-1]))
    assert host.broken == []
    host.connection.credit(call.id, len(item))  # one was read, so one more may come
    host.receive(encode(Kind.CHUNK, Flag.ITEM, 0, call.id, item))
    assert host.broken == []
    assert len(call.items) == 5
    host.receive(encode(Kind.CHUNK, Flag.ITEM, 0, call.id, item))
    assert len(host.broken) == 1
    assert len(call.items) == 5


@given(st.lists(st.integers(0, 40_000), max_size=30))
@settings(deadline=None, max_examples=50)
def test_parts_of_any_size_come_together_in_order(sizes):
    host = Host(limit=8 << 20)
    host.connection.submit(call := Call())
    parts = [bytes([n]) * size for n, size in enumerate(sizes)]
    host.receive(encode(Kind.RESULT, 0, 0, call.id, b"first"))
    for part in parts:
        host.receive(encode(Kind.CHUNK, 0, 0, call.id, part))
    host.receive(encode(Kind.CHUNK, Flag.END, 0, call.id, b"last"))
    assert call.answer.data == b"first" + b"".join(parts) + b"last"


def test_a_call_that_was_never_sent_can_not_be_begun():
    host = Host()
    calls = [Call() for _ in range(3)]
    for call in calls:
        host.connection.submit(call)
    host.receive(encode(Kind.STARTED, 0, 0, 77))
    assert len(host.broken) == 1
    assert host.connection.leave() == (calls[:1], calls[1:])


def test_a_pong_is_the_workers_own():
    host = Host()
    host.receive(encode(Kind.PONG, 0, 0, 1))
    assert len(host.broken) == 1


def test_a_pong_that_nobody_asked_for_ends_its_worker():
    for asked in (0, 1, 3):
        host = Host()
        for _ in range(asked):
            host.connection.ask(encode(Kind.PING))
        host.receive(encode(Kind.HELLO) + encode(Kind.PONG) * asked)
        assert host.broken == []
        host.receive(encode(Kind.PONG) * 2)
        assert host.broken == ["a frame of kind 9 that nobody asked for"]


def test_a_flood_of_unknown_frames_ends_its_worker():
    host = Host()
    host.receive(encode(OPTIONAL_KIND, payload=bytes(1000)) * 100)
    assert host.broken == []
    host.receive(encode(OPTIONAL_KIND) * 200_000)
    assert host.broken == ["too many frames of kind 128, which this host doesn't know"]


def test_a_worker_that_is_being_ended_is_sent_nothing_more():
    host = Host()
    calls = [Call() for _ in range(3)]
    host.connection.submit(calls[0])
    host.connection.hold()
    sent = len(host.written)
    for call in calls[1:]:
        host.connection.submit(call)
    host.receive(encode(Kind.RESULT, 3, 0, calls[0].id, b"late"))
    assert calls[0].answer.data == b"late"
    assert len(host.written) == sent
    assert host.connection.leave() == ([], calls[1:])


def test_only_whole_answers_lie_in_shared_memory():
    memory = memoryview(bytearray(AREA))
    place = (0).to_bytes(8, "big") + (1 << 20).to_bytes(4, "big")
    for kind, flags in (
        (Kind.PONG, 0),
        (Kind.STARTED, 0),
        (Kind.ERROR, 0),
        (Kind.RESULT, 0),
        (Kind.RESULT, Flag.ITEM),
        (OPTIONAL_KIND + 1, 0),
    ):
        for number in (0, 1):
            host = Host(limit=2 << 20)
            host.connection.submit(Call())
            host.connection.share(memory)
            host.receive(encode(kind, flags | Flag.MEMORY, 0, number, place))
            assert len(host.broken) == 1, (kind, flags, number)
    host = Host(limit=2 << 20)
    host.connection.submit(call := Call())
    host.connection.share(memory)
    host.receive(encode(Kind.RESULT, Flag.END | Flag.MEMORY, 0, call.id, place))
    assert host.broken == []
    assert call.answer.data == bytes(1 << 20)


def test_answers_taken_before_they_are_written_are_skipped_when_they_come():
    host = Host()
    calls = [Call() for _ in range(3)]
    for call in calls:
        host.connection.submit(call)
    answers = [encode(Kind.RESULT, 3, 0, call.id, b"a%d" % n) for n, call in enumerate(calls)]
    host.connection.take_unwritten(answers[0] + answers[1])
    assert [call.answer and call.answer.data for call in calls] == [b"a0", b"a1", None]
    host.receive(b"".join(answers))
    assert host.broken == []
    assert calls[2].answer.data == b"a2"
    host.receive(answers[0])
    assert host.broken != []


@given(st.binary(max_size=200), st.integers(0, 60))
def test_whatever_lies_unwritten_harms_nothing_but_its_own_calls(noise, cut):
    host = Host()
    host.connection.submit(call := Call())
    host.connection.take_unwritten(encode(Kind.RESULT, 3, 0, call.id, b"answer")[:cut] + noise)
    assert host.broken == []
    if not call.done():
        host.receive(encode(Kind.RESULT, 3, 0, call.id, b"answer"))
        assert call.answer.data == b"answer"


def test_a_worker_that_never_writes_what_it_has_given_is_ended():
    host = Host()
    for _ in range(3000):
        host.connection.submit(call := Call())
        host.connection.take_unwritten(encode(Kind.RESULT, Flag.END, 0, call.id, b"x"))
        if host.broken:
            break
        assert call.answer.data == b"x"
    assert len(host.broken) == 1
    assert [*host.connection.sent.values()] == [call]
