"""Ctrl-C, held back while a channel's state changes."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType, FunctionType

from devkit_core.workers.blocking_channel import BlockingChannel

__all__ = ["Interrupts"]


class Interrupts:
    """Lets a channel raise KeyboardInterrupt where it does no harm.

    Python raises it between any two steps of the main thread: after bytes were read and before they were
    counted, say, and what comes later could not be read any more. While this is in force a SIGINT that
    meets the main thread within a channel is noted there, and the channel raises it when it next has nothing
    half done, some hundredths of a second later. Elsewhere it is raised at once, as ever. Only Python's own
    handler is replaced, and only by the main thread: with any other one, and with signals that raise
    something else, an interrupt in the wrong place ends the worker instead.
    """

    def __init__(self) -> None:
        self._steps = {
            value.__code__ for value in vars(BlockingChannel).values() if isinstance(value, FunctionType)
        }
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        inside = frame
        while inside is not None:
            if inside.f_code in self._steps:
                channel = inside.f_locals.get("self")
                if isinstance(channel, BlockingChannel):
                    channel.interrupted = True
                    return
            inside = inside.f_back
        signal.default_int_handler(number, frame)

    def close(self) -> None:
        """Put Python's own handler back, where this one is in force and the main thread asks."""
        if signal.getsignal(signal.SIGINT) == self._handle:
            with contextlib.suppress(ValueError):  # not the main thread; it does no harm
                signal.signal(signal.SIGINT, signal.default_int_handler)
