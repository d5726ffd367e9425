"""A call of the event loop's on a channel that threads read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from devkit_core.errors import DevKitError
from devkit_core.protocol.messages import Failure, Result
from devkit_core.workers.pending import PendingCall, StreamingCall

if TYPE_CHECKING:
    from devkit_core.workers.host_calls import Link

__all__ = ["Carried"]


class Carried:
    """A call of the event loop's, as the connection needs it: whoever reads, the loop hears of it."""

    __slots__ = ("call", "forget", "function", "loop", "plain", "size", "source", "streams", "text")

    def __init__(
        self, call: PendingCall, loop: asyncio.AbstractEventLoop, forget: Callable[[PendingCall], object]
    ) -> None:
        self.call = call
        self.function = call.function
        self.size = call.size
        self.source = call.source
        self.plain = call.plain
        self.text = call.text
        self.streams = isinstance(call, StreamingCall)
        self.loop = loop
        self.forget = forget

    @property
    def link(self) -> Link | None:
        return self.call.link

    @property
    def data(self) -> bytes:
        return self.call.data

    @property
    def deadline(self) -> float:
        return self.call.deadline

    @deadline.setter
    def deadline(self, moment: float) -> None:
        self.call.deadline = moment

    @property
    def id(self) -> int:
        return self.call.id

    @id.setter
    def id(self, number: int) -> None:
        self.call.id = number

    @property
    def told(self) -> bool:
        return self.call.told

    @property
    def trace(self) -> str:
        return self.call.trace

    @property
    def admitted(self) -> bool:
        return self.call.admitted

    def done(self) -> bool:
        return self.call.done()

    def result(self) -> Result:
        return self.call.result()

    def set_result(self, result: Result) -> None:
        self.forget(self.call)
        self.loop.call_soon_threadsafe(self._tell, self.call.set_result, result)

    def set_text(self, text: str, size: int) -> None:
        self.forget(self.call)
        self.loop.call_soon_threadsafe(self._tell, self.call.set_text, text, size)

    def fail(self, failure: Failure) -> None:
        self.forget(self.call)
        self.loop.call_soon_threadsafe(self._tell, self.call.fail, failure)

    def set_exception(self, error: DevKitError) -> None:
        self.forget(self.call)
        self.loop.call_soon_threadsafe(self._tell, self.call.set_exception, error)

    def item(self, data: bytes, text: bool) -> None:
        self.loop.call_soon_threadsafe(self._tell, self.call.item, data, text)

    def _tell(self, tell: Callable[..., object], *what: object) -> None:
        if not self.call.done():
            tell(*what)
