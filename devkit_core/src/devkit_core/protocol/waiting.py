"""Calls as a connection needs them, and its queue."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Protocol

from devkit_core.errors import DevKitError
from devkit_core.protocol.messages import Failure, Result

__all__ = ["Queue", "Room", "Waiting"]

_TIDY = 0.05  # seconds, at least, between two looks for calls that nobody waits for


class Waiting(Protocol):
    """One call as the connection needs it; whoever made it owns its meaning."""

    function: int

    @property
    def data(self) -> bytes: ...
    @property
    def size(self) -> int: ...
    @property
    def plain(self) -> bool:
        """Whether an answer that is text is taken as such."""
        ...

    @property
    def source(self) -> str | None:
        """The text whose bytes `data` is, where that is in ASCII and too long to be encoded for nothing."""
        ...

    text: bool
    id: int  # on this connection; 0 until it is sent
    deadline: float  # by the driver's clock; infinite where there is none
    streams: bool  # whether items are taken as they come; else one whole answer is wanted

    @property
    def told(self) -> bool:
        """Whether the plugin is told its `deadline`, which its caller chose, and its `trace`."""
        ...

    @property
    def trace(self) -> str:
        """The W3C trace context (`traceparent`) that it belongs to, or nothing."""
        ...

    @property
    def admitted(self) -> bool:
        """Whether it was let wait before, and may again."""
        ...

    def done(self) -> bool: ...
    def result(self) -> Result: ...
    def set_result(self, result: Result, /) -> None:
        """End it with an answer, unless it has ended."""
        ...

    def set_text(self, text: str, size: int, /) -> None:
        """End it with an answer of so many bytes, decoded, unless it has ended; where it is `plain`."""
        ...

    def fail(self, failure: Failure, /) -> None:
        """End it with an error, unless it has ended."""
        ...

    def set_exception(self, error: DevKitError, /) -> None:
        """End it with an error of the host's own, unless it has ended."""
        ...

    def item(self, data: bytes, text: bool, /) -> None:
        """Take one item of a stream, and `credit` it when it was read; called where it `streams`."""
        ...


class Room(Protocol):
    """How many calls may wait, and of how many bytes; whoever carries them counts by it."""

    def enter(self, size: int, /) -> bool:
        """Count a call; False where it may not wait."""
        ...

    def keep(self, size: int, /) -> None:
        """Count a call that was let in before, and waits again."""
        ...

    def leave(self, size: int, /) -> None:
        """Count a call that waits no more."""
        ...

    def refusal(self) -> DevKitError:
        """Return the error of a call that may not wait."""
        ...


class Queue(deque[Waiting]):
    """The calls of one connection that are not sent yet, counted by the `room` there is for them."""

    room: Room | None = None
    _tidied = 0.0  # when those that nobody waits for were last taken out

    def add(self, call: Waiting) -> None:
        """Let a call wait, or end it with an error where there is no room."""
        room, size = self.room, call.size
        if room is None:
            self.append(call)
        elif call.admitted:
            room.keep(size)
            self.append(call)
        elif room.enter(size) or (self._tidy(room) and room.enter(size)):
            self.append(call)
        else:
            call.set_exception(room.refusal())

    def take(self) -> Waiting:
        """Return the call that waits the longest, which waits no more."""
        call = self.popleft()
        if self.room is not None:
            self.room.leave(call.size)
        return call

    def _tidy(self, room: Room) -> bool:
        """Forget the calls that nobody waits for any more, now and then; return whether it did."""
        now = monotonic()
        if now - self._tidied < _TIDY:
            return False
        self._tidied = now
        for _ in range(len(self)):
            call = self.popleft()
            if call.done():
                room.leave(call.size)
            else:
                self.append(call)
        return True
