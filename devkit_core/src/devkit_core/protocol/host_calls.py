"""What a worker asks of its host, and tells it.

Calls to the host, log lines, events and progress, as a worker sends them: hostile input. Everything is
bounded here, before the host does anything for it: what breaks a bound that the worker knows raises
FrameError; what a worker tells too fast is left out, and counted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from devkit_core.protocol.allowance import of_messages
from devkit_core.protocol.frames import FRAME_PAYLOAD, Flag, FrameError, Kind, encode

__all__ = [
    "CALLS",
    "FEATURES",
    "LEVELS",
    "TOLD",
    "Abandoned",
    "CreditGiven",
    "HostCall",
    "HostRequests",
    "LogSaid",
    "NamedEvent",
    "ProgressMade",
    "Said",
    "answer",
    "read_json",
    "refusal",
]

#: the kinds of frames that a worker may send beside its answers, by the feature that both ends need for it
FEATURES: Mapping[str, frozenset[int]] = {
    "host-call": frozenset({Kind.HOST_CALL, Kind.HOST_CANCEL}),
    "log": frozenset({Kind.LOG}),
    "event": frozenset({Kind.EVENT}),
    "progress": frozenset({Kind.PROGRESS}),
    "input": frozenset({Kind.CREDIT}),
}
#: calls to the host that one worker may have unanswered
CALLS = 64
LEVELS = ("debug", "info", "warning", "error")

#: bytes of one log line, event or note of progress
TOLD = 64 * 1024
_DEEPEST = 32  # objects and lists within one another; whoever shows or keeps them needs no bound of its own
_MOST = 1000  # values in one message: hosts keep hundreds, and `[[],[],…` takes thirty times its length
_CREDITED = 4096  # calls
_HUGE = 1e300
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class HostCall:
    """One call to the host: `call` is the host's call that it was made during, 0 where none is known.

    `data` is UTF-8 where `text`; `arguments` are what else the worker says, unchecked.
    """

    id: int
    name: str
    call: int
    arguments: Mapping[str, Any]
    data: bytes
    text: bool


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Nobody in the worker waits for the answer of this call any more."""

    id: int


@dataclass(frozen=True, slots=True)
class LogSaid:
    """One line for the plugin's log; `left_out` others before it came too fast."""

    level: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """Something that happened, in the plugin's own words."""

    name: str
    data: Mapping[str, Any]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ProgressMade:
    """How far a call is; `total` is None where the plugin doesn't know."""

    done: float
    total: float | None
    message: str
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class CreditGiven:
    """Calls that take their input in pieces have read some; `credits` of the requests says how much."""


Said = HostCall | Abandoned | LogSaid | NamedEvent | ProgressMade | CreditGiven


class _Coming:
    """A call to the host whose frames are not all here."""

    __slots__ = ("arguments", "call", "data", "name", "text")

    def __init__(self, name: str, call: int, arguments: Mapping[str, Any], text: bool) -> None:
        self.name = name
        self.call = call
        self.arguments = arguments
        self.text = text
        self.data = bytearray()


class HostRequests:
    """Reads what one worker asks and tells, and hands it on as it is whole.

    `limit` bounds the bytes of unanswered calls together; `take` is given each message. Whoever answers a
    call says so by `answered`.
    """

    def __init__(
        self,
        features: frozenset[str],
        limit: int,
        take: Callable[[Said], object],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.kinds: frozenset[int] = frozenset().union(*(FEATURES[f] for f in features & FEATURES.keys()))
        self._limit = limit
        self._take = take
        self._sizes: dict[int, int] = {}  # of the unanswered calls, by id
        self._size = 0
        self._coming: dict[int, _Coming] = {}
        self._abandoned: set[int] = set()
        self._credits: dict[int, int] = {}
        self._allowance = of_messages(clock)
        self._left_out = 0

    def frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """Take one frame of `kinds`; raises FrameError where it breaks a rule."""
        if kind == Kind.HOST_CALL:
            self._call(flags, number, payload)
        elif kind == Kind.HOST_CANCEL:
            if number in self._sizes and number not in self._abandoned:
                self._abandoned.add(number)
                self._take(Abandoned(number))
        elif kind == Kind.CREDIT:
            self._credit(number, payload)
        else:
            self._told(kind, payload)

    def answered(self, number: int) -> None:
        """Free what a call took."""
        self._size -= self._sizes.pop(number, 0)
        self._abandoned.discard(number)

    # -- calls

    def _call(self, flags: int, number: int, payload: bytes) -> None:
        coming = self._coming.get(number)
        if coming is None:
            if number == 0 or number in self._sizes:
                raise FrameError(f"call {number} to the host, whose id is in use")
            if len(self._sizes) >= CALLS:
                raise FrameError(f"over {CALLS} calls to the host at once")
            head, payload = _split(payload)
            coming = self._coming[number] = _Coming(*head, bool(flags & Flag.TEXT))
            self._sizes[number] = 0
        self._size += len(payload)
        self._sizes[number] += len(payload)
        if self._size > self._limit:
            raise FrameError(f"calls to the host with over {self._limit:,} bytes")
        coming.data += payload
        if flags & Flag.END:
            del self._coming[number]
            data = bytes(coming.data)
            self._take(HostCall(number, coming.name, coming.call, coming.arguments, data, coming.text))

    def credits(self) -> dict[int, int]:
        """Return, once, how many bytes more may be sent of the inputs of calls, by their ids."""
        given, self._credits = self._credits, {}
        return given

    def _credit(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise FrameError("a credit that isn't four bytes")
        if not self._credits:
            self._take(CreditGiven())
        self._credits[number] = self._credits.get(number, 0) + int.from_bytes(payload, "big")
        if len(self._credits) > _CREDITED:
            raise FrameError("credit for calls that there aren't")

    # -- what needs no answer

    def _told(self, kind: int, payload: bytes) -> None:
        if len(payload) > TOLD:
            raise FrameError(f"a frame of kind {kind} with over {TOLD:,} bytes")
        if not self._allowance.take(len(payload)):
            self._left_out += 1
            return
        body = _object(payload)
        if not _is_shallow(body, _DEEPEST) or _values(body) > _MOST:
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        if kind == Kind.LOG:
            self._take(_log(body, left_out))
        elif kind == Kind.EVENT:
            self._take(_event(body, left_out))
        else:
            self._take(_progress(body, left_out))


def _split(payload: bytes) -> tuple[tuple[str, int, Mapping[str, Any]], bytes]:
    """Return a call's name, the call it was made during, and its arguments; and the rest, its data."""
    end = 2 + int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or end > len(payload):
        raise FrameError("a call to the host whose head is longer than its frame")
    head = _object(payload[2:end])
    name, call = head.pop("name", None), head.pop("for", 0)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FrameError("a call to the host without a name")
    if type(call) is not int or not 0 <= call <= 0xFFFFFFFF:
        raise FrameError("a call to the host for a call that has no number")
    return (name, call, head), payload[end:]


def _log(body: dict[str, Any], left_out: int) -> LogSaid:
    level, message, fields = body.get("level", "info"), body.get("message"), body.get("fields", {})
    if level not in LEVELS or not isinstance(message, str) or not isinstance(fields, dict):
        raise FrameError("a log line without its level, message or fields")
    return LogSaid(level, message, fields, left_out)


def _event(body: dict[str, Any], left_out: int) -> NamedEvent:
    name, data = body.get("name"), body.get("data", {})
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(data, dict):
        raise FrameError("an event without its name or data")
    return NamedEvent(name, data, left_out)


def _progress(body: dict[str, Any], left_out: int) -> ProgressMade:
    done, total, message = body.get("done"), body.get("total"), body.get("message", "")
    if total is not None:
        total = _amount(total)
    if not isinstance(message, str):
        raise FrameError("progress whose message is no text")
    return ProgressMade(_amount(done), total, message, left_out)


def _amount(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < _HUGE:
        raise FrameError("progress without its numbers")
    return value  # type: ignore[no-any-return]


def read_json(data: bytes) -> Any:
    """Return the value of JSON in UTF-8 with finite numbers; raises ValueError, or RecursionError."""
    # as text, since of bytes json takes other encodings too, and halves of characters in them
    return json.loads(data.decode(), parse_constant=_refuse, parse_float=_finite)


def _object(payload: bytes) -> dict[str, Any]:
    try:
        body = read_json(payload)
        if b"\\ud" in payload.lower():  # half a character, which nobody could write
            body = json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
        if isinstance(body, dict):
            return body
    except (ValueError, RecursionError):
        pass
    raise FrameError("a frame for the host without a JSON object")


def _is_shallow(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_shallow(each, levels - 1) for each in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_shallow(each, levels - 1) for each in value)
    return True


def _values(value: Any) -> int:
    """Return how many values one that is shallow has in it, itself too."""
    if isinstance(value, dict):
        return 1 + sum(map(_values, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_values, value))
    return 1


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    """Read a number; one like 1e999 is as infinite as the constant that JSON doesn't have."""
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def answer(number: int, data: bytes, text: bool) -> Iterator[bytes]:
    """Return the frames that answer a call to the host."""
    flags = int(Flag.TEXT) if text else 0
    view = memoryview(data)
    for at in range(0, max(len(data), 1), FRAME_PAYLOAD):
        last = Flag.END if at + FRAME_PAYLOAD >= len(data) else 0
        yield encode(Kind.HOST_RESULT, flags | last, 0, number, view[at : at + FRAME_PAYLOAD])


def refusal(number: int, code: str, message: str, hint: str | None) -> bytes:
    """Return the frame that says why a call to the host has no answer."""
    body = {"code": code, "message": message[: 16 * 1024], **({"hint": hint} if hint else {})}
    return encode(Kind.HOST_ERROR, 0, 0, number, json.dumps(body).encode())
