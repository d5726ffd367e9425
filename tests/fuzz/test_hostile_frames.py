"""Whatever a worker sends, in whatever pieces: each call ends once or is given back, and nothing raises."""

import importlib.util
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devkit_core.protocol.frames import HEAD

HERE = Path(__file__).parent
VECTORS = json.loads((HERE.parents[1] / "sdk/vectors/frames.json").read_text())
_spec = importlib.util.spec_from_file_location("hostile_frames", HERE / "hostile_frames.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
watched = _module.watched

JSON = st.sampled_from([
    b"{}", b"[]", b"null", b"{", b"[" * 60_000, b'{"code":1}', b'{"code":"x","message":"' + b"y" * 9_000,
    b'{"protocol":1,"functions":{"execute":0}}', b'{"message":"a","traceback":null}', b"\xff\xfe",
])  # fmt: skip
PAYLOADS = st.one_of(JSON, st.binary(max_size=40), st.integers(0, 70_000).map(bytes), st.just(bytes(12)))


@st.composite
def frames(draw):
    """A frame that may be one: right in most of its fields, most of the time."""
    payload = draw(PAYLOADS)
    kind = draw(st.one_of(st.sampled_from([5, 11, 6, 13, 9, 1]), st.integers(0, 255)))
    flags = draw(st.one_of(st.sampled_from([0, 1, 2, 3, 8, 9, 16, 24, 25]), st.integers(0, 255)))
    call = draw(st.one_of(st.integers(0, 6), st.integers(0, 2**32 - 1)))
    length = draw(st.one_of(st.just(len(payload) + 8), st.just(len(payload) + 8), st.integers(0, 2**32 - 1)))
    return HEAD.pack(length, kind, flags, draw(st.integers(0, 2)), call) + payload


@given(st.binary(min_size=1, max_size=1), st.lists(frames(), max_size=12))
@settings(deadline=None, max_examples=150)
@example(b"\x00", [HEAD.pack(9, 5, 3, 0, 1) + b"x"] * 2)
def test_frames_that_may_be_some(piece, sent):
    watched(piece + b"".join(sent))


@given(st.binary(max_size=3000))
@settings(deadline=None, max_examples=300)
def test_noise(data):
    watched(data)


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
@settings(deadline=None, max_examples=200)
def test_frames_that_were_right_damaged(seed, piece):
    """Each known frame, some left out, doubled, cut, interleaved, with bits turned."""
    chance = random.Random(seed)
    known = [bytes.fromhex(each["bytes"]) for each in VECTORS["frames"]]
    sent = bytearray()
    for _ in range(chance.randint(1, 30)):
        frame = bytearray(chance.choice(known))
        if chance.random() < 0.3:
            frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.1:
            del frame[chance.randrange(len(frame)) :]
        sent += frame * (2 if chance.random() < 0.1 else 1)
    watched(bytes([piece]) + bytes(sent))


def test_one_byte_at_a_time_says_the_same_as_all_at_once():
    for each in VECTORS["frames"]:
        sent = bytes.fromhex(each["bytes"])
        slow, quick = watched(b"\x00" + sent), watched(b"\xff" + sent)
        assert slow[1] == quick[1]
        assert [call.ends for call in slow[0]] == [call.ends for call in quick[0]]


def test_the_fuzzer_runs(tmp_path):
    pytest.importorskip("atheris", reason="needs atheris (pip install atheris)")
    run = [sys.executable, HERE / "fuzz_frames.py", "-runs=2000", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
