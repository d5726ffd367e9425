"""A worker that does one thing wrong, at one step of the protocol.

A zygote imports it in place of a loader's file: in the worker, after the confinement, `load` speaks the
protocol itself, from what the entry point says (JSON: `step`, `act`), and never returns.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time

HELLO, WELCOME, INITIALIZE, CALL, RESULT, ERROR, CANCEL = range(1, 8)
PING, PONG, SHUTDOWN, CHUNK, CREDIT, STARTED, CONFIGURE = range(8, 15)
TEXT, END, META, ITEM, STREAM = 1, 2, 4, 8, 16
HEAD = struct.Struct(">IBBHI")


class Actor:
    """Speaks the protocol one frame at a time, and acts at its step."""

    def __init__(self, sock: socket.socket, step: str, act: str) -> None:
        self.sock = sock
        self.step = step
        self.act = act
        self.last = b""  # the frame that was sent last
        self.inputs: dict[int, bytes] = {}

    def at(self, step: str) -> None:
        """Act, where this is the step."""
        if step == self.step:
            getattr(self, self.act)()

    # -- acts

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def stop(self) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def leave(self) -> None:
        os._exit(0)

    def close(self) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self.silence()

    def silence(self) -> None:
        time.sleep(600)

    def noise(self) -> None:
        self.sock.sendall(b"\xff" + bytes(range(256)) * 16)
        self.silence()

    def lie(self) -> None:
        """Answer a call that was never made."""
        self.sock.sendall(HEAD.pack(9, RESULT, END, 0, 4_000_000) + b"x")
        self.silence()

    def repeat(self) -> None:
        self.sock.sendall(self.last)
        self.silence()

    # -- frames

    def send(self, kind: int, flags: int = 0, call: int = 0, payload: bytes = b"", half: str = "") -> None:
        frame = HEAD.pack(len(payload) + 8, kind, flags, 0, call) + payload
        if half and half == self.step:
            self.sock.sendall(frame[: len(frame) // 2])
            self.at(half)
        self.sock.sendall(frame)
        self.last = frame

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                os._exit(0)
            data += more
        return data

    def frame(self) -> tuple[int, int, int, bytes]:
        length, kind, flags, _, call = HEAD.unpack(self.exactly(HEAD.size))
        payload = self.exactly(length - 8)
        if flags & META:
            payload = payload[2 + int.from_bytes(payload[:2], "big") :]
        return kind, flags, call, payload

    # -- the play

    def play(self) -> None:
        self.at("before hello")
        hello = {
            "protocol": 1,
            "language": "actor",
            "features": ["chunk", "credit", "started", "config", "configure"],
            "functions": {"execute": 0},
        }
        self.send(HELLO, payload=json.dumps(hello).encode(), half="mid hello")
        self.at("after hello")
        while True:
            kind, flags, call, payload = self.frame()
            if kind == WELCOME:
                self.at("welcome")
            elif kind == INITIALIZE:
                self.at("initialize")
                self.send(RESULT, END, half="mid initialized")
                self.at("initialized")
            elif kind == PING:
                self.at("ping")
                self.send(PONG, payload=payload, half="mid pong")
            elif kind == CONFIGURE:
                self.at("configure")
                self.send(RESULT, END, half="mid configured")
            elif kind == SHUTDOWN:
                self.at("shutdown")
                self.send(RESULT, END, half="mid goodbye")
                self.at("after goodbye")
                os._exit(0)
            elif kind in (CALL, CHUNK):
                first = kind == CALL and not flags & END
                self.inputs[call] = self.inputs.get(call, b"") + payload
                if self.inputs[call].startswith(b"now"):
                    self.at("first part" if first else "next part" if kind == CHUNK else "")
                if flags & END:
                    self.answer(call, self.inputs.pop(call))

    def answer(self, call: int, data: bytes) -> None:
        if not data.startswith(b"now"):
            self.send(RESULT, TEXT | END, call, data)
            return
        self.at("call")
        self.send(STARTED, 0, call, half="mid begun")
        self.at("begun")
        if self.step in ("item 1", "item 2", "no credit", "credit"):
            self.stream(call)
        elif self.step in ("part 1", "part 2", "mid part"):
            self.send(RESULT, TEXT, call, b"n")
            self.at("part 1")
            self.send(CHUNK, TEXT, call, b"o", half="mid part")
            self.at("part 2")
            self.send(CHUNK, TEXT | END, call, data[2:])
        elif self.step == "cancel":
            while self.frame()[0] != CANCEL:
                pass
            self.at("cancel")
        else:
            self.send(RESULT, TEXT | END, call, data, half="mid answer")
            self.at("answered")

    def stream(self, call: int) -> None:
        self.send(RESULT, TEXT | STREAM | ITEM, call, b"n" * 700_000)
        self.at("item 1")
        self.send(CHUNK, TEXT | ITEM, call, b"o" * 700_000)
        self.at("item 2")
        self.at("no credit")
        while self.frame()[0] != CREDIT:
            pass
        self.at("credit")
        self.send(CHUNK, TEXT | END, call)


def load(request, kit) -> None:
    """Play; called in the worker by the zygote's code."""
    with open(request["entry"]) as file:
        role = json.load(file)
    Actor(socket.socket(fileno=os.dup(3)), role["step"], role["act"]).play()
