"""Answers what one worker asks of its host."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from devkit_core.errors import DevKitError, Overloaded
from devkit_core.protocol.allowance import Allowance
from devkit_core.protocol.connection import Connection
from devkit_core.protocol.host_calls import (
    Abandoned,
    CreditGiven,
    HostCall,
    HostRequests,
    LogSaid,
    NamedEvent,
    ProgressMade,
    Said,
    answer,
    refusal,
)
from devkit_core.protocol.messages import Result
from devkit_core.workers.feeding import FedCall

__all__ = ["HostCalls", "Link", "Pace", "Services", "tell"]

_log = logging.getLogger("devkit.plugin")
_BURST = 2000  # calls that may come at once
_RATE = 2000.0  # calls a second after that; others wait


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """One plugin's call to another, as long as it is unanswered; `parent` is what led to it, where known.

    `serial` says that the caller takes one call at a time, so that its others wait until this is answered.
    """

    caller: str
    target: str
    serial: bool
    parent: Link | None
    depth: int


class Services(Protocol):
    """What a host does for one plugin; called in the event loop, with what was checked to be JSON."""

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None: ...

    def event(self, name: str, data: Mapping[str, Any]) -> None: ...

    def progress(self, done: float, total: float | None, message: str) -> None: ...

    async def perform(self, call: HostCall, parent: Link | None, serial: bool, seconds: float) -> Result:
        """Answer a call within so many seconds; what it raises is told to the plugin.

        `parent` is the plugin's call that led to this one, where another plugin made it; `serial` says that
        the plugin takes no other call meanwhile.
        """
        ...


class Line(Protocol):
    """The channel, as far as it is needed here."""

    connection: Connection
    guard: Any

    @property
    def unsent(self) -> int: ...
    def reply(self, frame: bytes, /) -> None: ...
    def listen(self) -> None: ...
    def soon(self, function: Callable[..., object], /, *arguments: Any) -> object: ...


class Pace:
    """How fast one plugin may call its host."""

    def __init__(self) -> None:
        self._allowance = Allowance(_RATE, _BURST)

    def pause(self) -> float:
        """Return the seconds that the call that comes now has to wait."""
        left = self._allowance.left() - 1
        self._allowance.spend(1)
        return max(0.0, -left / _RATE)


def tell(services: Services, said: LogSaid | NamedEvent | ProgressMade) -> None:
    """Hand on what needs no answer, and how much of it was left out before."""
    if said.left_out:
        why = "too many, too many values, or nested too deep"
        services.log("warning", f"[{said.left_out:,} messages left out: {why}]", {})
    match said:
        case LogSaid():
            services.log(said.level, said.message, said.fields)
        case NamedEvent():
            services.event(said.name, said.data)
        case ProgressMade():
            services.progress(said.done, said.total, said.message)


class HostCalls:
    """Runs one worker's calls to its host, each as a task, until `close`.

    `read` takes the worker's messages, in any thread; the rest is the event loop's.
    """

    def __init__(
        self,
        plugin: str,
        services: Services,
        line: Line,
        features: frozenset[str],
        limit: int,
    ) -> None:
        self._plugin = plugin
        self._services = services
        self._line = line
        self._limit = limit
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False
        self._pace = Pace()
        self._requests = HostRequests(features, limit, lambda said: line.soon(self._take, said))
        if self._requests.kinds:
            line.connection.requests = self._requests
            line.listen()

    def close(self) -> None:
        """End what is being done for the worker; may be called again."""
        self._closed = True
        for task in self._tasks.values():
            task.cancel()

    def _take(self, said: Said) -> None:
        match said:
            case HostCall():
                if not self._closed:
                    task = asyncio.get_running_loop().create_task(self._answer(said))
                    self._tasks[said.id] = task
            case CreditGiven():
                self._give_credit()
            case Abandoned(id=number):
                if (running := self._tasks.get(number)) is not None:
                    # not now: a task that has not begun would never come to its answer
                    asyncio.get_running_loop().call_soon(running.cancel)
            case _:
                tell(self._services, said)

    def _give_credit(self) -> None:
        connection = self._line.connection
        with self._line.guard:
            given = self._requests.credits()
            calls = [(connection.sent.get(number), size) for number, size in given.items()]
        for call, size in calls:
            fed = getattr(call, "call", call)  # where threads read, the connection has what stands for it
            if isinstance(fed, FedCall):
                fed.credited(size)

    async def _answer(self, call: HostCall) -> None:
        try:
            try:
                frames = await self._frames(call)
            except DevKitError as error:
                frames = [refusal(call.id, error.code, error.message, error.hint)]
            except asyncio.CancelledError:
                frames = [refusal(call.id, "cancelled", "the call was cancelled", None)]
            except Exception:  # noqa: BLE001 - a fault of ours: the plugin is told, and nobody else suffers
                _log.exception("answering %s of %s failed", call.name, self._plugin)
                frames = [refusal(call.id, "bug", "the host failed to answer; its log says why", None)]
            with self._line.guard:
                self._requests.answered(call.id)
            if not self._closed:
                for frame in frames:
                    self._line.reply(frame)
        finally:
            self._tasks.pop(call.id, None)

    async def _frames(self, call: HostCall) -> list[bytes]:
        if (pause := self._pace.pause()) > 0:
            await asyncio.sleep(pause)
        origin = self._origin(call)
        seconds = origin.deadline - monotonic() if origin is not None else math.inf
        parent = getattr(origin, "link", None)
        serial = self._line.connection.concurrency == 1
        result = await self._services.perform(call, parent, serial, seconds)
        if self._line.unsent + len(result.data) > self._limit + (1 << 20):
            raise Overloaded("the plugin does not read the answers that it has already", plugin=self._plugin)
        return list(answer(call.id, result.data, result.text))

    def _origin(self, call: HostCall) -> Any:
        """Return the call that this one was made during: of a worker that takes one at a time, the oldest."""
        with self._line.guard:
            connection = self._line.connection
            if connection.concurrency == 1:
                return next(iter(connection.sent.values()), None)
            return connection.sent.get(call.call)
