"""What an async plugin asks of its host, in its event loop."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

from . import frames
from .frames import encode
from .hosting import Host, given
from .program import Program

__all__ = ["AsyncHost"]

#: the call that runs in this task, or nothing
_RUNNING: ContextVar[int] = ContextVar("running", default=0)


class AsyncHost(Host):
    """For a worker with an event loop of its own; the loop is there once calls come."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._room = asyncio.Semaphore(self._calls)
        self.transport: Any = None

    def welcome(self, payload: bytes) -> None:
        super().welcome(payload)
        self._room = asyncio.Semaphore(self._calls)

    def enter(self, call: int) -> None:
        """Note which call this task runs."""
        _RUNNING.set(call)

    def running(self) -> int:
        return _RUNNING.get()

    def write(self, data: bytes) -> None:
        if threading.get_ident() == self._thread:
            self.transport.write(data)
        else:
            self._loop.call_soon_threadsafe(self.transport.write, data)

    def settle(self, number: int, answer: Any) -> None:
        if (waiting := self._waiting.get(number)) is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask_async(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[bytes, bool]:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            work = self.ask_async(head, data, text)
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        async with self._room:
            number, request = self._request(head, data, text)
            self._waiting[number] = loop.create_future()
            try:
                for frame in request:
                    self.transport.write(frame)
                answer = await self._waiting[number]
            except asyncio.CancelledError:
                self.write(encode(frames.HOST_CANCEL, 0, 0, number, b""))
                raise
            finally:
                del self._waiting[number]
        return given(answer)

    def ask(self, head: dict[str, Any], data: bytes, text: bool) -> tuple[bytes, bool]:
        return asyncio.run_coroutine_threadsafe(self.ask_async(head, data, text), self._loop).result()
