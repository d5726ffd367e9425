"""What control frames carry: hello, errors, results.

Control frames carry JSON. What a worker sends is hostile input: every reader here bounds it and raises
FrameError, nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from devkit_core.protocol.frames import FrameError

__all__ = ["Failure", "Hello", "Result", "read_failure", "read_hello"]

TEXT_LIMIT = 256 * 1024  # characters of an error's message and traceback that are kept


class Result(NamedTuple):
    """What a plugin answered: `data`, UTF-8 where `text`."""

    data: bytes
    text: bool

    @property
    def value(self) -> str | bytes:
        """The answer as the plugin gave it, `str` or `bytes`."""
        return str(self.data, "utf-8", "replace") if self.text else self.data


@dataclass(frozen=True, slots=True)
class Hello:
    """What a worker says first; `functions` maps names to numbers, `execute` being 0.

    `concurrency` 1 means that the worker answers a call before it starts the next one. `inputs` maps
    functions' numbers to those by which they are called to take their input in pieces.
    """

    protocol: int
    language: str
    version: str
    features: frozenset[str]
    functions: dict[str, int]
    concurrency: int
    inputs: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call, or the start, failed in the worker."""

    code: str
    message: str
    kind: str = ""
    traceback: str = ""
    hint: str | None = None


def _object(payload: bytes) -> dict[str, Any]:
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        raise FrameError("a control frame without valid JSON") from None
    if not isinstance(data, dict):
        raise FrameError("a control frame whose JSON is not an object")
    return data


def read_hello(payload: bytes) -> Hello:
    """Read a worker's hello."""
    data = _object(payload)
    functions = data.get("functions")
    features = data.get("features", [])
    if type(data.get("protocol")) is not int:
        raise FrameError("a hello without its protocol version")
    if not isinstance(functions, dict) or len(functions) > 1024 or functions.get("execute") != 0:
        raise FrameError("a hello without `execute` as function 0")
    numbers = list(functions.values())
    if any(type(n) is not int or not 0 <= n <= 0xFFFF for n in numbers) or len({*numbers}) < len(numbers):
        raise FrameError("a hello whose function numbers are not distinct u16 values")
    if not isinstance(features, list) or not all(isinstance(f, str) for f in features):
        raise FrameError("a hello whose features are not a list of names")
    concurrency = data.get("concurrency", 1)
    if type(concurrency) is not int or not 1 <= concurrency <= 65536:
        raise FrameError("a hello whose concurrency is not a number from 1 to 65536")
    inputs = data.get("inputs", {})
    if not isinstance(inputs, dict) or not inputs.keys() <= functions.keys():
        raise FrameError("a hello whose inputs are not functions that it has")
    taken = list(inputs.values())
    if any(type(n) is not int or not 0 <= n <= 0xFFFF for n in taken) or {*taken} & {*numbers}:
        raise FrameError("a hello whose inputs have numbers that they can't have")
    return Hello(
        protocol=data["protocol"],
        language=str(data.get("language", ""))[:64],
        version=str(data.get("version", ""))[:64],
        features=frozenset(features),
        functions=dict(functions),
        concurrency=concurrency,
        inputs={functions[name]: number for name, number in inputs.items()},
    )


def read_failure(payload: bytes) -> Failure:
    """Read the payload of an error frame."""
    data = _object(payload)

    def text(key: str, default: str = "") -> str:
        value = data.get(key, default)
        return value[:TEXT_LIMIT] if isinstance(value, str) else default

    return Failure(
        code=text("code", "plugin-raised")[:64],
        message=text("message"),
        kind=text("kind")[:256],
        traceback=text("traceback"),
        hint=text("hint") or None,
    )
