"""Frames that belong to no call: only those that were asked for."""

from __future__ import annotations

from collections.abc import Callable

from devkit_core.protocol.allowance import of_messages
from devkit_core.protocol.frames import OPTIONAL_KIND, FrameError, Kind

__all__ = ["Control"]

_KIND = 4  # where a frame says what it is


class Control:
    """Hands on the control frames of one worker, to `take`: HELLO, and one answer for each that was sent.

    Others cost the host more than the worker, so they raise FrameError: as do frames of kinds that the host
    skips, where they come faster than messages may.
    """

    def __init__(self, take: Callable[[int, bytes], None]) -> None:
        self._take = take
        self._due = 1
        self._skipped = of_messages()

    def sent(self, frame: bytes) -> None:
        """Note that a frame was sent, which each kind but WELCOME lets the worker answer once."""
        self._due += frame[_KIND] != Kind.WELCOME

    def take(self, kind: int, payload: bytes, call: int = 0) -> None:
        """Hand on a frame, or skip one of a kind that this host doesn't know."""
        if kind >= OPTIONAL_KIND:
            if not self._skipped.take(len(payload)):
                raise FrameError(f"too many frames of kind {kind}, which this host doesn't know")
            return
        if call:
            raise FrameError(f"a frame of kind {kind} for call {call}")
        if not self._due:
            raise FrameError(f"a frame of kind {kind} that nobody asked for")
        self._due -= 1
        self._take(kind, payload)
