"""One confined program, run to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any, NamedTuple

from devkit_core.errors import LoadError
from devkit_core.workers.zygote import Zygote

__all__ = ["Finished", "run"]

_KEPT = 16 << 20  # bytes of each stream that are kept; the rest is read and dropped
_READ = 64 * 1024


class Finished(NamedTuple):
    """How a program ended: its status (negative: the signal) and what it wrote."""

    status: int
    stdout: bytes
    stderr: bytes


class _Stream:
    """Reads a pipe until it ends."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.data = bytearray()
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._fd = fd
        self._loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.data += data[: max(0, _KEPT - len(self.data))]
        else:
            self.close()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
            self.ended.set_result(None)


async def run(zygote: Zygote, request: dict[str, Any], seconds: float) -> Finished:
    """Run the `argv` of a request, confined as its plan says; `seconds` is all the time it has.

    Raises LoadError where it can't be started, and `worker-start` where it takes longer.
    """
    channel, theirs = socket.socketpair()  # a worker's fourth descriptor, which nobody speaks on
    pipes = [os.pipe(), os.pipe()]
    page = os.memfd_create("devkit-progress", os.MFD_CLOEXEC)
    os.ftruncate(page, os.sysconf("SC_PAGE_SIZE"))
    streams = [_Stream(read) for read, _ in pipes]
    process = None
    try:
        try:
            process = await zygote.spawn(request, [theirs.fileno(), pipes[0][1], pipes[1][1], page])
        finally:
            theirs.close()
            os.close(page)
            for _, write in pipes:
                os.close(write)
        program = os.path.basename(request["argv"][0])
        try:
            async with asyncio.timeout(seconds):
                status = await asyncio.shield(process.ended)
                for stream in streams:
                    await stream.ended
        except TimeoutError:
            raise LoadError(f"{program} took over {seconds:g} s", code="worker-start") from None
        refused = b""
        with contextlib.suppress(OSError):
            channel.setblocking(False)
            refused = channel.recv(_READ)
        if refused:  # the confinement or the exec failed: the zygote's child tells it as a frame
            raise LoadError(f"{program} can't be started: {refused[12:].decode('utf-8', 'replace')}")
        return Finished(status, bytes(streams[0].data), bytes(streams[1].data))
    finally:
        channel.close()
        if process is not None:
            process.kill()
        for stream in streams:
            stream.close()
