"""Frames of the worker protocol: layout, kinds, flags.

A frame is a u32 length of all that follows it, then u8 kind, u8 flags, u16 function, u32 call id and the
payload, big endian (docs/reference/worker-protocol.md). Nothing here does I/O.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from struct import Struct

__all__ = ["FRAME_PAYLOAD", "HEAD", "HEAD_SIZE", "Flag", "FrameError", "Kind", "chunks", "encode", "metadata"]

HEAD = Struct(">IBBHI")
HEAD_SIZE = HEAD.size  # 12, of which the length counts all but its own 4
#: the most payload one frame carries in version 1; more goes as chunks
FRAME_PAYLOAD = 1 << 20
#: a worker that is told of an unknown kind at or above this skips it; below, it is a violation
OPTIONAL_KIND = 128


_NO_LIMIT = 0xFFFFFFFF  # milliseconds that stand for none
_TRACE = 1024  # bytes of a trace context


class Kind(enum.IntEnum):
    """What a frame is."""

    HELLO = 1
    WELCOME = 2
    INITIALIZE = 3
    CALL = 4
    RESULT = 5
    ERROR = 6
    CANCEL = 7
    PING = 8
    PONG = 9
    SHUTDOWN = 10
    CHUNK = 11
    CREDIT = 12
    STARTED = 13
    CONFIGURE = 14
    HOST_CALL = 15
    HOST_RESULT = 16
    HOST_ERROR = 17
    HOST_CANCEL = 18
    LOG = 19
    EVENT = 20
    PROGRESS = 21
    INPUT = 22


class Flag(enum.IntFlag):
    """Bits of a frame's flags.

    TEXT: the payload is UTF-8. END: the last frame of a call's input or answer. META: a u16 length and
    metadata stand before the payload. ITEM: the last frame of one item of a stream. STREAM: the answer is
    a stream of items. MEMORY: the payload lies in shared memory, and its place is carried.
    """

    TEXT = 1
    END = 2
    META = 4
    ITEM = 8
    STREAM = 16
    MEMORY = 32


class FrameError(Exception):
    """A frame that breaks the rules; the text says which."""


def encode(
    kind: int, flags: int = 0, function: int = 0, call: int = 0, payload: bytes | memoryview = b""
) -> bytes:
    """Return one frame. The payload's size is the caller's to bound."""
    return HEAD.pack(len(payload) + 8, kind, flags, function, call) + payload


def metadata(seconds: float, trace: str) -> bytes:
    """Return what stands before a CALL's payload with META: the time left and a trace context."""
    left = _NO_LIMIT if seconds == math.inf else min(max(0, int(seconds * 1000)), _NO_LIMIT - 1)
    about = left.to_bytes(4, "big") + trace.encode("ascii", "replace")[:_TRACE]
    return len(about).to_bytes(2, "big") + about


def chunks(
    kind: int, flags: int, function: int, call: int, payload: bytes, size: int = FRAME_PAYLOAD
) -> Iterator[bytes]:
    """Return the frames of one message: the first of the kind asked, CHUNKs after it, END on the last."""
    if len(payload) <= size:
        yield encode(kind, flags | Flag.END, function, call, payload)
        return
    view = memoryview(payload)
    yield encode(kind, flags, function, call, view[:size])
    for at in range(size, len(payload), size):
        last = Flag.END if at + size >= len(payload) else 0
        yield encode(Kind.CHUNK, flags | last, function, call, view[at : at + size])


def told_chunks(about: bytes, flags: int, function: int, call: int, payload: bytes) -> Iterator[bytes]:
    """Return the frames of one CALL with metadata, which its first frame alone has."""
    view, room = memoryview(payload), FRAME_PAYLOAD - len(about)
    last = Flag.END if len(view) <= room else 0
    yield encode(Kind.CALL, flags | Flag.META | last, function, call, about + bytes(view[:room]))
    for at in range(room, len(view), FRAME_PAYLOAD):
        last = Flag.END if at + FRAME_PAYLOAD >= len(view) else 0
        yield encode(Kind.CHUNK, flags | last, function, call, view[at : at + FRAME_PAYLOAD])
