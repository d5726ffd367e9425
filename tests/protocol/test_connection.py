"""The host's end of a channel, whatever a worker sends."""

import importlib.util
from pathlib import Path

from devkit_core.protocol.connection import WIRE_WINDOW
from devkit_core.protocol.frames import FRAME_PAYLOAD, Flag, Kind, chunks, encode
from hypothesis import given, settings
from hypothesis import strategies as st

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
