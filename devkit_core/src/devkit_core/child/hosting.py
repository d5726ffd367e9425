"""What a plugin asks of its host and tells it, as frames."""

from __future__ import annotations

import itertools
import json
from _thread import get_ident
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

from . import frames
from .frames import Frame, Wire, encode
from .program import Broken, Program

__all__ = ["BlockingHost", "Host", "HostError", "given"]

_EARLY = 256  # messages from before the handshake that are kept
_LONGEST = 60_000  # bytes of one message; longer ones are cut
_FEATURES = {frames.LOG: "log", frames.EVENT: "event", frames.PROGRESS: "progress"}


class HostError(Exception):
    """The host didn't do what the plugin asked; `code` says why, `hint` what may help."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.args[0]} [{self.code}]"


class Host(ABC):
    """The plugin's side of what its host offers; each kind of worker has its own way to wait."""

    def __init__(self, program: Program) -> None:
        self.config: dict[str, Any] = {}
        self.told: dict[int, tuple[float, str]] = {}  # until when somebody waits for calls, and their traces
        self._features: frozenset[str] | None = None
        self._size = 1 << 20
        self._limit = 64 << 20
        self._calls = 64
        self._numbers = itertools.count(1)
        self._early: list[bytes] = []
        self._coming: dict[int, list[bytes]] = {}
        program.host = self
        start, change = program.start, program.change
        program.start = lambda payload: start(self._settings(payload))  # type: ignore[method-assign]
        program.change = lambda payload: change(self._settings(payload))  # type: ignore[method-assign]

    def _settings(self, payload: bytes) -> bytes:
        if payload:
            self.config = json.loads(payload)["config"]
        return payload

    def welcome(self, payload: bytes) -> None:
        """Learn what the host offers, and tell it what was kept for it."""
        body = json.loads(payload)
        self._size, self._limit = body["frame"], body["payload"]
        self._calls = body.get("calls", 1)
        self._features = frozenset(body["features"])
        for frame in self._early:
            if _FEATURES[frame[4]] in self._features:
                self.write(frame)
        self._early.clear()

    def tell(self, kind: int, body: dict[str, Any]) -> bool:
        """Send what needs no answer; return False where the host doesn't take it."""
        try:
            data = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise HostError("host-call-invalid", f"it can't be written as JSON: {error}") from None
        if len(data) > _LONGEST:
            raise HostError("host-call-invalid", f"over {_LONGEST:,} bytes at once")
        frame = encode(kind, 0, 0, self.running(), data)
        if self._features is None:
            if len(self._early) < _EARLY:
                self._early.append(frame)
            return True
        if _FEATURES[kind] not in self._features:
            return False
        self.write(frame)
        return True

    def _request(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[int, Iterator[bytes]]:
        """Return a call's number and its frames; raises HostError where the host takes none."""
        if self._features is None:
            raise HostError("host-unavailable", "the host can be asked from `initialize` on, not before")
        if "host-call" not in self._features:
            raise HostError("host-unavailable", "this host answers no calls")
        if len(data) > self._limit // 2:
            raise HostError("payload-too-large", f"{len(data):,} bytes; the limit is {self._limit // 2:,}")
        number = next(self._numbers)
        return number, self._frames(number, {**head, "for": self.running()}, data, text)

    def _frames(self, number: int, head: dict[str, Any], data: bytes, text: bool) -> Iterator[bytes]:
        first = json.dumps(head, separators=(",", ":")).encode()
        if len(first) > 0xFFFF:
            raise HostError("host-call-invalid", "the arguments are too long")
        whole = memoryview(len(first).to_bytes(2, "big") + first + data)
        for at in range(0, len(whole), self._size):
            last = frames.END if at + self._size >= len(whole) else 0
            flags = last | (frames.TEXT if text else 0)
            yield encode(frames.HOST_CALL, flags, 0, number, whole[at : at + self._size])

    def answered(self, frame: Frame) -> None:
        """Take an answer of the host's."""
        kind, flags, _, number, payload = frame
        if kind == frames.HOST_ERROR:
            self._coming.pop(number, None)
            body = json.loads(payload)
            self.settle(number, HostError(body["code"], body["message"], body.get("hint")))
            return
        parts = self._coming.setdefault(number, [])
        parts.append(payload)
        if flags & frames.END:
            del self._coming[number]
            self.settle(number, (b"".join(parts), bool(flags & frames.TEXT)))

    def about(self) -> tuple[float, str]:
        """Return until when, by `time.monotonic`, somebody waits for the call that runs, and its trace."""
        return self.told.get(self.running(), (inf, ""))

    # -- each kind of worker's own

    @abstractmethod
    def running(self) -> int:
        """Return the id of the call that runs, 0 where none is known."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send frames, from any thread."""

    @abstractmethod
    def settle(self, number: int, answer: Any) -> None:
        """Wake whoever waits for this call."""

    @abstractmethod
    def ask(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[bytes, bool]:
        """Wait for the answer of a call, in a thread without an event loop."""

    @abstractmethod
    async def ask_async(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[bytes, bool]:
        """Wait for the answer of a call, in an event loop."""


class BlockingHost(Host):
    """For a worker that takes one call at a time: whoever waits reads for all its threads.

    It stands between the wire and who serves the calls: that one gets all frames but the host's answers.
    """

    def __init__(self, program: Program, wire: Wire, running: Callable[[], int]) -> None:
        # not where it is read before the fork: what threading does after each would cost every worker
        import threading

        super().__init__(program)
        self._read, self._send = wire.frames, wire.send
        wire.frames, wire.send = self._others, self.write  # type: ignore[method-assign]
        self.told = wire.reader.told
        self._running = running
        self._main = get_ident()
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._reading = False
        self._kept: deque[Frame] = deque()
        self._cancelled: set[int] = set()
        self._waiting: dict[int, Any] = {}
        self._room = threading.Semaphore(self._calls)

    def welcome(self, payload: bytes) -> None:
        import threading

        super().welcome(payload)
        self._room = threading.Semaphore(self._calls)

    def running(self) -> int:
        return self._running()

    def write(self, data: bytes) -> None:
        with self._sending:
            self._send(data)

    def settle(self, number: int, answer: Any) -> None:
        if number in self._waiting:
            self._waiting[number] = answer

    def _others(self) -> list[Frame]:
        """Wait for frames that are no answers, and return them."""
        with self._changed:
            while not self._kept:
                self._wait()
            found = list(self._kept)
            self._kept.clear()
            self._cancelled.clear()
            return found

    def _wait(self) -> None:
        """Read, or wait for what another thread reads; called under the condition."""
        if self._reading:
            self._changed.wait()
            return
        self._reading = True
        self._changed.release()
        batch: list[Frame] = []
        try:
            batch = self._read()
        finally:
            self._changed.acquire()
            self._reading = False
            for frame in batch:
                self._sort(frame)
            self._changed.notify_all()

    def _sort(self, frame: Frame) -> None:
        kind, _, _, call, payload = frame
        if kind in (frames.HOST_RESULT, frames.HOST_ERROR):
            self.answered(frame)
        elif kind == frames.PING:
            self.write(encode(frames.PONG, 0, 0, 0, payload))
        else:
            if kind == frames.CANCEL:
                self._cancelled.add(call)
            self._kept.append(frame)

    def ask(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[bytes, bool]:
        with self._room:
            number, request = self._request(head, data, text)
            self._waiting[number] = None
            try:
                for frame in request:
                    self.write(frame)
                with self._changed:
                    while (answer := self._waiting[number]) is None:
                        if get_ident() == self._main and self._running() in self._cancelled:
                            raise Broken("cancelled", "the call was cancelled")
                        self._wait()
            except BaseException:
                self.write(encode(frames.HOST_CANCEL, 0, 0, number, b""))
                raise
            finally:
                self._waiting.pop(number, None)
        return given(answer)

    async def ask_async(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[bytes, bool]:
        from asyncio import get_running_loop

        return await get_running_loop().run_in_executor(None, self.ask, head, data, text)


def given(answer: Any) -> tuple[bytes, bool]:
    """Return an answer of the host's, or raise the error that it is."""
    if isinstance(answer, HostError):
        raise answer
    data, text = answer
    return data, text
