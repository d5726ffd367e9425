"""Answers calls of an async plugin, many at a time."""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from . import frames
from .cancelling import watch
from .frames import Frame, Reader, Wire, encode
from .inputs import Incoming
from .program import Broken, Program
from .serve import Answers

if TYPE_CHECKING:
    from .async_hosting import AsyncHost

__all__ = ["serve"]


class _Host(asyncio.BufferedProtocol):
    """The channel in an event loop: each call is a task."""

    transport: Any

    def __init__(self, program: Program, path: str, page: mmap.mmap) -> None:
        self.page = page
        self.program = program
        self.reader = Reader()
        self.answers = Answers(self.send, path)
        self.host: AsyncHost | None = None
        if program.asks:
            from .async_hosting import AsyncHost
            from .devkit_plugin import join

            self.host = AsyncHost(program)
            self.host.told = self.reader.told
            join(self.host)
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.parts: dict[int, list[bytes]] = {}
        self.credit: dict[int, int] = {}
        self.inputs: dict[int, Incoming] = {}
        program.source = self.incoming
        self.more = asyncio.Condition()
        self.ended = asyncio.get_running_loop().create_future()
        self.writable = asyncio.Event()
        self.writable.set()

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # a plugin's uvloop has the methods, not the class
        if self.host is not None:
            self.host.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.reader.room()

    def buffer_updated(self, nbytes: int) -> None:
        self.take(list(self.reader.take(nbytes)))

    def take(self, batch: list[Frame]) -> None:
        for frame in batch:
            self.handle(frame)

    def handle(self, frame: Frame) -> None:
        kind, flags, function, call, payload = frame
        if kind == frames.CALL and flags & frames.END:
            self.begin(call, function, payload, flags)
        elif kind == frames.CALL:
            self.parts[call] = [bytes((flags,)), function.to_bytes(2, "big"), payload]
        elif kind == frames.INPUT:
            if call in self.tasks:
                self.input(call).take(frame)
        elif kind == frames.CHUNK:
            self.parts[call].append(payload)
            if flags & frames.END:
                first, number, *data = self.parts.pop(call)
                self.begin(call, int.from_bytes(number, "big"), b"".join(data), first[0])
        elif kind == frames.CANCEL:
            self.cancel(call)
        elif kind == frames.CREDIT:
            if call in self.credit:
                self.credit[call] += int.from_bytes(payload, "big")
                self.spawn(0, self.wake())
        elif kind == frames.PING:
            self.send(encode(frames.PONG, 0, 0, 0, payload))
        elif kind == frames.WELCOME:
            self.answers.welcome(payload, self.reader, self.page)
            if self.host is not None:
                self.host.welcome(payload)
        elif kind == frames.INITIALIZE:
            self.spawn(0, self.lifecycle(self.program.start(payload)))
        elif kind == frames.CONFIGURE:
            self.spawn(0, self.lifecycle(self.program.change(payload)))
        elif kind == frames.SHUTDOWN:
            self.spawn(0, self.stop())
        elif kind in (frames.HOST_RESULT, frames.HOST_ERROR) and self.host is not None:
            self.host.answered(frame)

    def spawn(self, call: int, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        key = call or -id(task)
        self.tasks[key] = task
        task.add_done_callback(lambda _: self.tasks.pop(key, None))

    def begin(self, call: int, function: int, payload: bytes, flags: int) -> None:
        self.page[:4] = call.to_bytes(4, "little")
        self.spawn(call, self.run(call, function, payload, bool(flags & frames.TEXT)))
        if flags & frames.META:
            self.tasks[call].add_done_callback(lambda _: self.reader.told.pop(call, None))

    def input(self, call: int) -> Incoming:
        """Return the input, in pieces, of a call that is here."""
        incoming = self.inputs.get(call)
        if incoming is None:
            incoming = self.inputs[call] = Incoming(call, self.send)
            self.tasks[call].add_done_callback(lambda _: self.inputs.pop(call, None))
        return incoming

    def incoming(self) -> Incoming:
        """Return the input of the call that this task runs."""
        task = asyncio.current_task()
        return self.input(next(call for call, each in self.tasks.items() if each is task))

    async def run(self, call: int, function: int, payload: bytes, text: bool) -> None:
        try:
            if self.host is not None:
                self.host.enter(call)
            value = self.program.functions[function](payload, text)
            if hasattr(value, "__await__"):
                value = await value
            if hasattr(value, "__anext__") or (hasattr(value, "__next__")):
                await self.stream(call, value)
            else:
                self.answers.result(call, value)
        except asyncio.CancelledError:
            self.answers.error(call, Broken("cancelled", "the call was cancelled"))
        except BaseException as error:  # SystemExit and the like end a call, not the worker
            self.answers.error(call, error)
        await self.writable.wait()  # out of reach of the above: a cancel that comes now is too late

    async def stream(self, call: int, items: Any) -> None:
        self.credit[call] = self.answers.window
        first, text = True, frames.TEXT
        try:
            async for item in items if hasattr(items, "__anext__") else _each(items):
                text = frames.TEXT if isinstance(item, str) else 0
                self.credit[call] -= self.answers.item(call, item, first)
                first = False
                async with self.more:
                    await self.more.wait_for(lambda: self.credit[call] > 0)
            self.answers.last(call, first, text)
        finally:
            del self.credit[call]

    async def wake(self) -> None:
        async with self.more:
            self.more.notify_all()

    def cancel(self, call: int) -> None:
        """Cancel a call, once, wherever it waits."""
        if (task := self.tasks.get(call)) and not task.cancelling() and task.cancel():
            work: Any = task.get_coro()
            if not (work.cr_suspended or work.cr_running):  # it never begins, so it can't answer
                self.answers.error(call, Broken("cancelled", "the call was cancelled"))

    def runs(self, call: int, frame: FrameType) -> bool:
        """Say whether the code that runs now, and keeps the loop from reading, is that call's."""
        task = self.tasks.get(call)
        return task is not None and asyncio.current_task() is task

    async def lifecycle(self, function: Callable[[], Any] | None) -> None:
        try:
            answer = function() if function else None
            if answer is not None and hasattr(answer, "__await__"):
                await answer
        except BaseException as error:
            self.answers.error(0, error)
        else:
            self.send(encode(frames.RESULT, frames.END, 0, 0, b""))

    async def stop(self) -> None:
        await self.lifecycle(self.program.shutdown)
        self.transport.close()


async def _each(items: Any) -> Any:
    for item in items:
        yield item


def serve(wire: Wire, program: Program, path: str, page: mmap.mmap) -> None:
    """Serve until the host says shutdown or closes the channel."""

    async def main() -> None:
        sock = socket.socket(fileno=wire.sock.detach())
        sock.setblocking(False)
        host = _Host(program, path, page)
        watch(page, host.runs, host.cancel)
        await asyncio.get_running_loop().create_connection(lambda: host, sock=sock)
        await host.ended

    asyncio.run(main())
