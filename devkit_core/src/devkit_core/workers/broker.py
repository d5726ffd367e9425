"""Resolves, checks and connects for a worker that can't."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Callable
from typing import Any

from devkit_core.sandbox.authority import Authority
from devkit_core.workers.reach import Reach, Refused, Resolve, addresses, check_form, is_public

__all__ = ["Broker"]

# One packet is one request: JSON and the end of a SOCK_SEQPACKET pair on which the answer is wanted, so
# that a worker's threads need no lock between them. What a worker writes on that pair before the answer
# is filler: it keeps the pair unwritable, which its event loop takes for a connection still being made.
_LONGEST_REQUEST = 2048


class Broker:
    """Serves one worker's network requests on the host's event loop, from its making to `close`.

    `channel` is this side's end of a SOCK_SEQPACKET pair and belongs to the broker from now on. A request
    that breaks the rules is refused; nothing that a worker sends raises into the loop. At most
    `in_flight` requests are served at once and about `per_second` are read; others wait in the channel.
    """

    def __init__(
        self,
        channel: socket.socket,
        authority: Authority,
        *,
        resolve: Resolve = addresses,
        public: Callable[[str], bool] = is_public,
        seconds: float = 15.0,
        in_flight: int = 16,
        per_second: float = 200.0,
    ) -> None:
        self._channel = channel
        self._reach = Reach(authority, resolve, public)
        self._seconds = seconds
        self._in_flight = in_flight
        self._pause = 1.0 / per_second
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        channel.setblocking(False)
        self._loop.add_reader(channel.fileno(), self._readable)

    async def close(self) -> None:
        """Refuse what is being served and end; may be called any number of times."""
        self._stop()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reach.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel.fileno())
            self._channel.close()

    def _readable(self) -> None:
        try:
            size = socket.CMSG_SPACE(4 * array.array("i").itemsize)
            data, extra, flags, _ = self._channel.recvmsg(_LONGEST_REQUEST, size, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._stop()
            return
        if not data and not extra:
            self._stop()
            return
        reply = _only_socket(extra)
        if reply is None:
            return
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            data = b""
        task = self._loop.create_task(self._serve(reply, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # The next one is read when its turn comes: neither a flood nor slow hosts take the loop.
        self._loop.remove_reader(self._channel.fileno())
        self._timer = self._loop.call_later(self._pause, self._resume)

    def _resume(self) -> None:
        if self._channel.fileno() < 0:
            return
        if len(self._tasks) < self._in_flight:
            self._loop.add_reader(self._channel.fileno(), self._readable)
        else:
            self._timer = self._loop.call_later(0.02, self._resume)

    async def _serve(self, reply: socket.socket, data: bytes) -> None:
        made: socket.socket | None = None
        try:
            with reply:
                try:
                    async with asyncio.timeout(self._seconds):
                        answer, made = await self._answer(data)
                except Refused as error:
                    answer = {"errno": error.number, "message": str(error)}
                except TimeoutError:
                    answer = {"errno": errno.ETIMEDOUT, "message": "the host took too long to answer"}
                except OSError as error:
                    # Only what the network said: not a word on this machine.
                    answer = {"errno": error.errno or errno.EIO, "message": error.strerror or "failed"}
                _send(reply, answer, made)
        finally:
            if made is not None:
                made.close()  # the worker has its own descriptor by now

    async def _answer(self, data: bytes) -> tuple[dict[str, Any], socket.socket | None]:
        host, port, action = _read(data)
        if action == "resolve":
            return {"addresses": await self._reach.lookup(host, port)}, None
        return {"connected": True}, await self._reach.connect(host, port)


def _read(data: bytes) -> tuple[str, int, str]:
    try:
        request = json.loads(data)
        (action, (host, port)) = next(iter(request.items()))
        if action not in ("resolve", "connect") or len(request) != 1:
            raise ValueError
    except (ValueError, TypeError, AttributeError, StopIteration, RecursionError):
        raise Refused(errno.EINVAL, "not a request") from None
    return *check_form(host, port), action


def _only_socket(extra: list[tuple[int, int, bytes]]) -> socket.socket | None:
    """Return the one descriptor of a request if it is a SOCK_SEQPACKET unix socket; close all others."""
    numbers = array.array("i")
    for level, kind, body in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(body[: len(body) - len(body) % numbers.itemsize])
    found: list[socket.socket] = []
    for number in numbers:
        try:
            found.append(socket.socket(fileno=number))
        except OSError:  # something else than a socket; it was never read from
            with contextlib.suppress(OSError):
                socket.close(number)
    fit = [s for s in found if (s.family, s.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET)]
    only = fit[0] if len(numbers) == len(fit) == 1 else None
    for sock in found:
        if sock is not only:
            sock.close()
    if only is not None:
        only.setblocking(False)
    return only


def _send(reply: socket.socket, answer: dict[str, Any], made: socket.socket | None) -> None:
    """Take the filler away and send the answer; a worker that can't take it at once gets none."""
    with contextlib.suppress(OSError):
        for _ in range(64):
            try:
                if not reply.recv(1):
                    break
            except BlockingIOError:
                break
        extra = []
        if made is not None:
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [made.fileno()]))]
        data = json.dumps(answer).encode()
        reply.sendmsg([data], extra, socket.MSG_NOSIGNAL)
