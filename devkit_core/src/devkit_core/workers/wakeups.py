"""Tasks whose calls have ended, resumed together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devkit_core.workers.pending import PlainCall

__all__ = ["Wakeups"]


class Wakeups:
    """Lets tasks that wait for calls go on, all that can in one turn of the loop.

    A future of asyncio's makes a handle for each and has the loop run it, which takes longer than all the
    rest that is done for an answer.
    """

    __slots__ = ("_ended", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ended: list[PlainCall] = []

    def add(self, call: PlainCall) -> None:
        """Resume the task that waits for this call, in the loop's next turn."""
        if not self._ended:
            self.loop.call_soon(self._resume)
        self._ended.append(call)

    def _resume(self) -> None:
        ended, self._ended = self._ended, []
        each = iter(ended)
        try:
            for call in each:
                call.context.run(call.resume, call)  # type: ignore[arg-type]  # it is there, or none were added
        finally:
            for call in each:  # where one of them was interrupted: the others go on after that
                self.add(call)
