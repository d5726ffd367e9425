"""Frames in a worker: reading and writing, with a kept buffer."""

from __future__ import annotations

import _socket
import mmap
import os
from collections.abc import Iterator
from math import inf
from struct import Struct
from time import monotonic, perf_counter

from .memory import Memory

_NO_LIMIT = 0xFFFFFFFF
HEAD = Struct(">IBBHI")
HEAD_SIZE = HEAD.size
BUFFER = 256 * 1024
#: seconds to look for the next frames before sleeping, and the wait below which that is done
SPIN, NEAR = 60e-6, 150e-6
(
    HELLO,
    WELCOME,
    INITIALIZE,
    CALL,
    RESULT,
    ERROR,
    CANCEL,
    PING,
    PONG,
    SHUTDOWN,
    CHUNK,
    CREDIT,
    STARTED,
    CONFIGURE,
) = range(1, 15)
HOST_CALL, HOST_RESULT, HOST_ERROR, HOST_CANCEL, LOG, EVENT, PROGRESS, INPUT = range(15, 23)
TEXT, END, META, ITEM, STREAM, MEMORY = 1, 2, 4, 8, 16, 32

#: kind, flags, function, call, payload
Frame = tuple[int, int, int, int, bytes]


def _buffer() -> mmap.mmap:
    """Return memory that takes up none until it is written to: small calls need little of it."""
    return mmap.mmap(-1, BUFFER, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class Reader:
    """Cuts a byte stream into frames; the host is trusted to keep the rules.

    `room` is where the next bytes go, `take` yields the frames that are whole now.
    """

    def __init__(self) -> None:
        self.buffer: mmap.mmap | bytearray = _buffer()
        self.view = memoryview(self.buffer)
        self.have = 0
        self.told: dict[int, tuple[float, str]] = {}  # of calls: until when somebody waits, and a trace
        self.memory: Memory | None = None  # where large payloads come from, once that is agreed

    def room(self) -> memoryview:
        return self.view[self.have :] if self.have else self.view

    def take(self, count: int) -> Iterator[Frame]:
        have, at = self.have + count, 0
        buffer, view = self.buffer, self.view
        needed = 0
        while have - at >= HEAD_SIZE:
            length, kind, flags, function, call = HEAD.unpack_from(buffer, at)
            end = at + 4 + length
            if end > have:
                needed = end - at
                break
            start = at + HEAD_SIZE
            if flags & META:
                size = int.from_bytes(buffer[start : start + 2], "big")
                start += 2 + size
                self.told[call] = _told(bytes(view[start - size : start]))
            payload = bytes(view[start:end])
            if flags & MEMORY and self.memory is not None:
                payload = self.memory.take(payload)
            yield kind, flags, function, call, payload
            at = end
        rest = have - at
        if needed > len(buffer):  # a frame larger than the buffer: one of its size until it is read
            self.buffer = bytearray(needed)
            self.view = memoryview(self.buffer)
            self.view[:rest] = view[at:have]
        elif not rest and len(buffer) > BUFFER:
            self.buffer = _buffer()
            self.view = memoryview(self.buffer)
        elif rest and at:
            view[:rest] = view[at:have]
        self.have = rest


def _told(about: bytes) -> tuple[float, str]:
    left = int.from_bytes(about[:4], "big") if len(about) >= 4 else _NO_LIMIT
    until = inf if left == _NO_LIMIT else monotonic() + left / 1000
    return until, about[4:].decode("ascii", "replace")


def encode(kind: int, flags: int, function: int, call: int, payload: bytes | memoryview) -> bytes:
    return HEAD.pack(len(payload) + 8, kind, flags, function, call) + payload


def split(kind: int, flags: int, call: int, payload: bytes, size: int, last: int = END) -> Iterator[bytes]:
    """Yield the frames of one message; `last` are the flags of its last frame."""
    if len(payload) <= size:
        yield encode(kind, flags | last, 0, call, payload)
        return
    view = memoryview(payload)
    yield encode(kind, flags, 0, call, view[:size])
    for at in range(size, len(payload), size):
        end = at + size >= len(payload)
        yield encode(CHUNK, flags | (last if end else 0), 0, call, view[at : at + size])


class Gone(Exception):
    """The host has closed the channel; a class that no plugin raises by accident."""


class Wire:
    """A blocking socket that frames are read from and written to."""

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.reader = Reader()
        # with one processor, whoever looks keeps the other from it
        self.looks = len(os.sched_getaffinity(0)) > 1
        self.eager = False  # whether the last bytes came so soon that looking for more is worth it

    def frames(self) -> list[Frame]:
        """Wait for something and return the frames that are whole; raises Gone at the end."""
        while True:
            try:
                count = self.receive(self.reader.room())
            except ConnectionResetError:
                count = 0
            if not count:
                raise Gone
            if found := list(self.reader.take(count)):
                return found

    def receive(self, room: memoryview) -> int:
        """Wait for bytes and return how many came.

        While a host asks again right behind each answer, a short look without sleeping saves the time
        that the kernel takes to wake a process, which is longer than most calls.
        """
        if self.eager:
            until = perf_counter() + SPIN
            while perf_counter() < until:
                try:
                    return self.sock.recv_into(room, 0, _socket.MSG_DONTWAIT)
                except BlockingIOError:
                    continue
        if not self.looks:
            return self.sock.recv_into(room)
        began = perf_counter()
        count = self.sock.recv_into(room)
        self.eager = perf_counter() - began < NEAR
        return count

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None
