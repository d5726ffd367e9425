"""Carries connections for a worker that can't be handed any."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import json
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from devkit_core.sandbox.authority import Authority
from devkit_core.workers.reach import Reach, Refused, Resolve, addresses, check_form, is_public

__all__ = ["Relay"]

# The frames of descriptor 4, docs/reference/worker-protocol.md: size, kind and connection before each.
_HEADER = struct.Struct(">IBI")
_OPEN, _OPENED, _REFUSED, _DATA, _END, _CREDIT, _CLOSE, _RESOLVE, _RESOLVED = range(1, 10)
_FRAME = 65536
#: bytes that may be sent on a connection, in either direction, before the first CREDIT
WINDOW = 128 * 1024
_MOST_CREDIT = 1 << 30


class _Broken(Exception):
    """The worker broke a rule of the frames."""


class _Link:
    """A connection, or a name being resolved, and what is on its way in both directions."""

    def __init__(self) -> None:
        self.data = bytearray()  # from the worker, not yet sent on
        self.window = WINDOW
        self.ended = False  # whether the worker sends no more
        self.closed = False  # whether it wants no more either
        self.more = asyncio.Event()
        self.credit = WINDOW
        self.room = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.down: asyncio.Task[None] | None = None


class Relay:
    """Serves one worker's network on the host's event loop, from its making to `close`.

    `channel` is this side's end of a SOCK_STREAM pair and belongs to the relay from now on. What a worker may
    reach is what a broker's may. It has at most `connections`, of which `in_flight` are being made, about
    `per_second` at most, each within `seconds`; each holds at most WINDOW bytes here. A worker that breaks a
    rule of the frames loses its network; nothing that it sends raises into the loop.
    """

    def __init__(
        self,
        channel: socket.socket,
        authority: Authority,
        *,
        resolve: Resolve = addresses,
        public: Callable[[str], bool] = is_public,
        seconds: float = 15.0,
        connections: int = 128,
        in_flight: int = 16,
        per_second: float = 200.0,
    ) -> None:
        self._reach = Reach(authority, resolve, public)
        self._seconds = seconds
        self._connections = connections
        self._making = asyncio.Semaphore(in_flight)
        self._pause = 1.0 / per_second
        self._turn = 0.0  # when the next connection may be begun
        self._links: dict[int, _Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        channel.setblocking(False)
        self._task = self._loop.create_task(self._serve())

    async def close(self) -> None:
        """End every connection; may be called any number of times."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._writer is None:
            self._channel.close()

    async def _serve(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._channel)
        try:
            for count in itertools.count(1):
                size, kind, number = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                if size > _FRAME:
                    raise _Broken
                await self._take(kind, number, await reader.readexactly(size))
                if count % 64 == 0:  # what is in the buffer comes without a pause for others
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, OSError, _Broken):
            pass  # the worker is gone, or loses its network
        finally:
            for task in self._tasks:
                task.cancel()
            self._writer.transport.abort()
            self._reach.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, kind: int, number: int, payload: bytes) -> None:
        if kind in (_OPEN, _RESOLVE):
            await self._begin(kind, number, payload)
            return
        if kind not in (_DATA, _END, _CREDIT, _CLOSE):
            raise _Broken
        link = self._links.get(number)
        if link is None or link.closed:
            return  # it was closed here meanwhile
        if kind == _DATA:
            link.window -= len(payload)
            if not payload or link.ended or link.window < 0:
                raise _Broken
            link.data += payload
            link.more.set()
        elif kind == _END:
            link.ended = True
            link.more.set()
        elif kind == _CREDIT:
            if len(payload) != 4:
                raise _Broken
            link.credit = min(link.credit + int.from_bytes(payload, "big"), _MOST_CREDIT)
            link.room.set()
        else:
            self._leave(number, link)

    async def _begin(self, kind: int, number: int, payload: bytes) -> None:
        if number in self._links:
            raise _Broken
        if len(self._links) >= self._connections:
            why = Refused(errno.EMFILE, f"this plugin has {self._connections} connections already")
            await self._say(_REFUSED, number, _told(why))
        else:
            link = self._links[number] = _Link()
            link.task = self._loop.create_task(self._run(kind, number, payload, link))
            self._tasks.add(link.task)
            link.task.add_done_callback(self._tasks.discard)
            if self._turn - self._loop.time() < self._connections * self._pause:
                return
        await asyncio.sleep(self._pause)  # one that asks without end waits here

    def _leave(self, number: int, link: _Link) -> None:
        """Close a connection for the worker, once what it had sent before is on its way."""
        assert link.task is not None
        link.closed = link.ended = True
        if link.down is None or not link.data:
            del self._links[number]
            link.task.cancel()
        else:
            link.more.set()
            link.down.cancel()
            self._loop.call_later(self._seconds, link.task.cancel)

    async def _run(self, kind: int, number: int, payload: bytes, link: _Link) -> None:
        made: socket.socket | None = None
        try:
            try:
                host, port = _read(payload)
                await self._wait()
                async with self._making, asyncio.timeout(self._seconds):
                    if kind == _RESOLVE:
                        found = await self._reach.lookup(host, port)
                        await self._say(_RESOLVED, number, {"addresses": found})
                        return
                    made = await self._reach.open(host, port)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                address, port = made.getpeername()[:2]
            except (Refused, OSError, TimeoutError) as error:
                await self._say(_REFUSED, number, _told(error))
                return
            await self._say(_OPENED, number, {"address": address, "port": port})
            await self._carry(number, made, link)
        finally:
            if made is not None:
                made.close()
            if self._links.get(number) is link:
                del self._links[number]

    async def _wait(self) -> None:
        now = self._loop.time()
        turn = max(now, self._turn)
        self._turn = turn + self._pause
        await asyncio.sleep(turn - now)

    async def _carry(self, number: int, made: socket.socket, link: _Link) -> None:
        """Carry bytes in both directions until both sides have ended, or one has failed."""
        why: dict[str, Any] = {}
        up = self._loop.create_task(self._up(number, made, link))
        down = link.down = self._loop.create_task(self._down(number, made, link))
        try:
            await asyncio.wait({down})  # first: an answer still comes where the server reads no more
            if not down.cancelled():
                down.result()
            await up
        except OSError as error:
            why = _told(error)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        if not link.closed:
            await self._say(_CLOSE, number, why)

    async def _up(self, number: int, made: socket.socket, link: _Link) -> None:
        while True:
            while not link.data and not link.ended:
                link.more.clear()
                await link.more.wait()
            if not link.data:
                made.shutdown(socket.SHUT_WR)
                return
            part = bytes(link.data[:_FRAME])
            await self._loop.sock_sendall(made, part)
            del link.data[: len(part)]
            link.window += len(part)
            if not link.closed:
                await self._send(_CREDIT, number, len(part).to_bytes(4, "big"))

    async def _down(self, number: int, made: socket.socket, link: _Link) -> None:
        while True:
            while not link.credit:
                link.room.clear()
                await link.room.wait()
            data = await self._loop.sock_recv(made, min(link.credit, _FRAME))
            if not data:
                await self._send(_END, number, b"")
                return
            link.credit -= len(data)
            await self._send(_DATA, number, data)

    async def _say(self, kind: int, number: int, message: dict[str, Any]) -> None:
        await self._send(kind, number, json.dumps(message).encode())

    async def _send(self, kind: int, number: int, payload: bytes) -> None:
        """Send a frame when the worker has taken those before it; one that is gone is told nothing."""
        assert self._writer is not None
        with contextlib.suppress(OSError):
            async with self._sending:
                await self._writer.drain()
                self._writer.write(_HEADER.pack(len(payload), kind, number) + payload)


def _read(payload: bytes) -> tuple[str, int]:
    try:
        request = json.loads(payload)
        host, port = request["host"], request["port"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refused(errno.EINVAL, "not a request") from None
    return check_form(host, port)


def _told(error: Refused | OSError | TimeoutError) -> dict[str, Any]:
    """Return what a worker is told: only what the network said, not a word on this machine."""
    if isinstance(error, Refused):
        number, message = error.number, str(error)
    elif isinstance(error, TimeoutError) and error.errno is None:
        number, message = errno.ETIMEDOUT, "the host took too long to answer"
    else:
        number = error.errno or errno.EIO
        message = os.strerror(number)
    return {"code": errno.errorcode.get(number, "EIO"), "message": message}
