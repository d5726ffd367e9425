"""What a worker may ask of its host, as frames."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.protocol.connection import Connection
from devkit_core.protocol.frames import Flag, FrameError, Kind, encode
from devkit_core.protocol.host_calls import (
    CALLS,
    FEATURES,
    Abandoned,
    CreditGiven,
    HostCall,
    HostRequests,
    LogSaid,
    NamedEvent,
    ProgressMade,
    answer,
)

VECTORS = json.loads((Path(__file__).parents[2] / "sdk/vectors/frames.json").read_text())
ALL = frozenset(FEATURES)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def requests(limit=1 << 20, features=ALL, clock=None):
    said = []
    return HostRequests(features, limit, said.append, clock or Clock()), said


def call(name="store.get", **more):
    head = json.dumps({"name": name, **more}).encode()
    return len(head).to_bytes(2, "big") + head


@pytest.mark.parametrize(
    "vector", VECTORS["violations from a worker that may ask its host"], ids=lambda v: v["name"]
)
def test_the_host_refuses_it(vector):
    broken = []
    connection = Connection(lambda data: None, broken.append, lambda kind, data: None, 1 << 20)
    connection.requests, _ = requests()
    data = bytes.fromhex(vector["bytes"])
    while data and not broken:
        room = connection.get_buffer(-1)
        count = min(len(room), len(data))
        room[:count] = data[:count]
        data = data[count:]
        connection.received(count)
    assert len(broken) == 1


def test_the_vectors_are_read():
    host, said = requests()
    for vector in VECTORS["frames"]:
        if Kind[vector["kind"]] in host.kinds:
            payload = bytes.fromhex(vector["payload"])
            host.frame(Kind[vector["kind"]], vector["flags"], vector["call"], payload)
    assert host.credits() == {6: 65536, 9: 266}
    assert host.credits() == {}
    assert said.pop(0) == CreditGiven()
    assert said == [
        HostCall(1, "store.get", 6, {"key": "seen"}, b"", True),
        HostCall(2, "store.set", 0, {"key": "a"}, b"[1]", True),
        HostCall(3, "plugin.call", 6, {"plugin": "other", "function": "execute"}, b"first last", True),
        Abandoned(1),
        LogSaid("warning", "slow", {"seconds": 2.5}),
        NamedEvent("indexed", {"files": 12}),
        ProgressMade(3, 12, "reading"),
        ProgressMade(3, None, ""),
    ]


def test_only_what_was_agreed_is_taken():
    assert requests(features=frozenset({"log"}))[0].kinds == {Kind.LOG}
    assert requests(features=frozenset())[0].kinds == frozenset()


def test_an_answer_frees_what_a_call_took():
    host, _ = requests(limit=1000)
    for number in range(1, CALLS + 1):
        host.frame(Kind.HOST_CALL, Flag.END, number, call() + b"x" * 10)
    with pytest.raises(FrameError):
        host.frame(Kind.HOST_CALL, Flag.END, 99, call())
    for number in range(1, CALLS + 1):
        host.answered(number)
    host.frame(Kind.HOST_CALL, Flag.END, 99, call() + b"x" * 1000)
    with pytest.raises(FrameError, match="1,000 bytes"):
        host.frame(Kind.HOST_CALL, Flag.END, 100, call() + b"x")


def test_a_call_that_is_not_whole_counts_too():
    host, said = requests(limit=100)
    host.frame(Kind.HOST_CALL, 0, 1, call() + b"x" * 60)
    with pytest.raises(FrameError):
        host.frame(Kind.HOST_CALL, 0, 1, b"x" * 60)
    assert said == []


def test_what_comes_too_fast_is_left_out_and_counted():
    clock = Clock()
    host, said = requests(clock=clock)
    line = json.dumps({"message": "x" * 60_000}).encode()
    for _ in range(100):
        host.frame(Kind.LOG, 0, 0, line)
    assert len(said) == 17
    clock.now += 1
    host.frame(Kind.EVENT, 0, 0, b'{"name":"a"}')
    assert said[-1] == NamedEvent("a", {}, left_out=83)


def test_credits_are_told_once_until_they_are_taken():
    host, said = requests()
    for number in (1, 2, 1):
        host.frame(Kind.CREDIT, 0, number, (300).to_bytes(4, "big"))
    assert said == [CreditGiven()]
    assert host.credits() == {1: 600, 2: 300}
    for number in range(4096):
        host.frame(Kind.CREDIT, 0, number, (1).to_bytes(4, "big"))
    with pytest.raises(FrameError):
        host.frame(Kind.CREDIT, 0, 5000, (1).to_bytes(4, "big"))


def test_what_nobody_could_show_is_no_part_of_a_message():
    host, said = requests()
    host.frame(Kind.LOG, 0, 0, b'{"message":"a\\ud800\\uD83D\\uDE00","fields":{"\\udfff":1}}')
    assert said == [LogSaid("info", "a?\U0001f600", {"?": 1})]
    deep = b'{"name":"a","data":{"x":' + b"[" * 500 + b"]" * 500 + b"}}"
    host.frame(Kind.EVENT, 0, 0, deep)
    host.frame(Kind.EVENT, 0, 0, b'{"name":"a","data":{"x":[[[1]]]}}')
    assert said[1:] == [NamedEvent("a", {"x": [[[1]]]}, left_out=1)]
    host.frame(Kind.HOST_CALL, Flag.END, 1, call(key="\ud800"))
    assert said[-1] == HostCall(1, "store.get", 0, {"key": "?"}, b"", False)


@pytest.mark.parametrize(
    "line",
    [
        b'{"message":"\xed\xa0\x80"}',
        '{"message":"\\ud800"}'.encode("utf-16"),
        '{"message":"\\ud800"}'.encode("utf-32-le"),
        b'{"message":"x","fields":{"a":1e999}}',
        b'{"message":"x","fields":{"a":-1e999}}',
        b'{"message":"x","fields":{"a":Infinity}}',
    ],
)
def test_what_json_knows_and_nobody_else_is_refused(line):
    host, said = requests()
    with pytest.raises(FrameError):
        host.frame(Kind.LOG, 0, 0, line)
    assert said == []


def test_what_takes_far_more_memory_than_its_text_is_left_out():
    host, said = requests()
    for values in (["{}"] * 990, ["{}"] * 1010, ["0.5"] * 1010, ['{"a":[[]]}'] * 400):
        host.frame(Kind.EVENT, 0, 0, b'{"name":"a","data":{"x":[' + ",".join(values).encode() + b"]}}")
    host.frame(Kind.EVENT, 0, 0, b'{"name":"b"}')
    assert [event.name for event in said] == ["a", "b"]
    assert said[-1].left_out == 3


def test_a_call_is_abandoned_once():
    host, said = requests()
    for _ in range(2):
        host.frame(Kind.HOST_CALL, Flag.END, 1, call())
        for _ in range(3):
            host.frame(Kind.HOST_CANCEL, 0, 1, b"")
        host.answered(1)
        host.frame(Kind.HOST_CANCEL, 0, 1, b"")
    assert [type(each) for each in said] == [HostCall, Abandoned] * 2


def test_small_messages_are_bounded_too():
    host, said = requests()
    for _ in range(10_000):
        host.frame(Kind.PROGRESS, 0, 0, b'{"done":1}')
    assert len(said) == 4096


@given(st.binary(max_size=3_000_000), st.booleans())
def test_answers_are_cut_into_frames(data, text):
    frames = list(answer(7, data, text))
    assert all(len(frame) <= (1 << 20) + 12 for frame in frames)
    assert b"".join(frame[12:] for frame in frames) == data
    ends = [bool(frame[5] & Flag.END) for frame in frames]
    assert ends == [False] * (len(frames) - 1) + [True]
    assert encode(Kind.HOST_RESULT)[4] == frames[0][4]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([12, 15, 18, 19, 20, 21]),
            st.integers(0, 63),
            st.integers(0, 70),
            st.binary(max_size=64) | st.just(call()) | st.just(b'{"done":1,"message":"","name":"a"}'),
        ),
        max_size=80,
    )
)
def test_whatever_comes_only_frame_errors_leave(frames):
    host, _ = requests(limit=2000)
    for kind, flags, number, payload in frames:
        try:
            host.frame(kind, flags, number, payload)
        except FrameError:
            break
