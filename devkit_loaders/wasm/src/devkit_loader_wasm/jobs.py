"""What a loaded plugin's threads do, step by step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devkit_core.api import PendingCall, Result
from devkit_loader_wasm.guests import Guest, Steps
from devkit_loader_wasm.stopping import Halt, Halted

__all__ = ["Job", "as_json", "is_text", "settle", "through"]


@dataclass(eq=False, slots=True)
class Job:
    """Something the lane does: a call, or the guest's own initialize or shutdown."""

    begin: Callable[[Guest], Steps[Any]]
    call: PendingCall | None = None
    answer: asyncio.Future[Any] | None = None  # of a job that is no call
    config: bytes | None = None  # the settings that it gives
    instant: bool = False  # whether a first slice of it may be done in the event loop's thread
    steps: Steps[Any] | None = None  # of one that has begun already
    guest: Guest | None = None
    halt: Halt = field(default_factory=Halt)
    told: float = 0.0  # since when it has to stop
    spent: float = 0.0  # processor time of the code, in seconds


def as_json(config: Mapping[str, Any]) -> bytes:
    """Return settings as a plugin is given them."""
    return json.dumps(config, ensure_ascii=False).encode()


def through(steps: Steps[Any], halt: Halt) -> Any:
    """Go through all steps, unless told to stop in between; return what they return."""
    try:
        while True:
            if halt.is_set():
                steps.throw(Halted())
            next(steps)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def is_text(data: bytes) -> bool:
    """Say whether an answer can be given as text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def settle(call: PendingCall, result: Result) -> None:
    """Answer a call, unless its caller has given up."""
    if not call.done():
        call.set_result(result)
