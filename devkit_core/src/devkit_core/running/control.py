"""How `devkit` reaches running hosts: one socket each, for their user."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit_core.errors import DevKitError, StateError

__all__ = ["ControlServer", "Host", "ask", "follow", "hosts"]

Reply = Mapping[str, Any]
Answer = Callable[[Reply], Awaitable[Reply | AsyncGenerator[Reply, None]]]

_LINE = 1 << 20
_FOLDER = "hosts"
_ADDRESS = 100  # bytes; the kernel takes 107
_SUFFIX = ".sock"


@dataclass(frozen=True, slots=True)
class Host:
    """A running host: its process id, its program's name and its socket."""

    pid: int
    program: str
    path: Path


class ControlServer:
    """Answers requests of this user's other processes: one JSON object a line, and one back.

    `answer` gets a request and returns what is sent; a DevKitError it raises is sent as `error`. Of a
    stream each item is sent as a line, until it ends or the other end hangs up.
    """

    def __init__(self, runtime: Path, answer: Answer) -> None:
        self._folder = runtime / _FOLDER
        self._answer = answer
        self._path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen; raises StateError where the socket can't be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._server = await asyncio.start_unix_server(self._connected, sock=self._bind(), limit=_LINE)
        except OSError as error:
            raise StateError(
                f"the control socket {self._path} can't be made: {error.strerror or error}",
                code="state-unwritable",
                hint="set DEVKIT_HOME to a writable folder, or PluginManager(control=False)",
            ) from error

    def _bind(self) -> socket.socket:
        """Return a socket that listens; only then it gets its name, or others took it for a dead one."""
        made = self._path.with_suffix(".new")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(made) as address:
                listening.bind(address)
            os.chmod(made, 0o600)
            listening.listen(100)
            os.rename(made, self._path)
        except OSError:
            listening.close()
            raise
        return listening

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            if _peer(writer.get_extra_info("socket")) == os.getuid():
                with contextlib.suppress(ConnectionError, ValueError, asyncio.LimitOverrunError):
                    while line := await reader.readline():
                        reply = await self._reply(line)
                        if isinstance(reply, Mapping):
                            await _send(writer, reply)
                        else:
                            await self._stream(reply, reader, writer)
                            return
        except asyncio.CancelledError:
            if self._server is not None:
                raise  # else it is close that cuts this off
        finally:
            self._serving.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _stream(
        self, items: AsyncGenerator[Reply, None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async def send() -> None:
            async with contextlib.aclosing(items):
                async for item in items:
                    await _send(writer, item)

        sending = asyncio.ensure_future(send())
        gone = asyncio.ensure_future(reader.read(1))  # nothing more is asked on this connection
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _reply(self, line: bytes) -> Reply | AsyncGenerator[Reply, None]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            return {"error": {"code": "usage", "message": "a request is one JSON object"}}
        try:
            return await self._answer(request)
        except DevKitError as error:
            return {"error": error.as_dict()}

    async def close(self) -> None:
        """Stop listening and remove the socket; requests that are being answered are cut off."""
        if self._server is None:
            return
        server, self._server = self._server, None
        # asyncio loses a connection that it accepts in the moment of the close: take no more, then close
        with contextlib.suppress(RuntimeError, NotImplementedError):
            for listening in server.sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(5):  # turns of the loop, until who has just connected is being served
            await asyncio.sleep(0)
        server.close()
        for task in tuple(self._serving):
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving, timeout=1.0)
        with contextlib.suppress(OSError):
            self._path.unlink()


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(json.dumps(reply).encode() + b"\n")
    await writer.drain()


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield a socket's address: its path, or a short way to it where that is too long for the kernel."""
    if len(os.fsencode(path)) <= _ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _peer(sock: socket.socket) -> int:
    """Return the user id at the other end."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.getuid()  # the folder's mode alone has to do
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def hosts(runtime: Path, known: Container[Path] = ()) -> list[Host]:
    """Return this user's running hosts, without those whose sockets are known.

    Sockets that dead ones left are removed.
    """
    found = []
    for path in sorted((runtime / _FOLDER).glob(f"*{_SUFFIX}")):
        pid = path.name.split("-", 1)[0]
        if not pid.isdigit() or int(pid) == os.getpid() or path in known:
            continue
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            try:
                with _address(path) as address:
                    probe.connect(address)
            except ConnectionRefusedError:
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            except OSError:
                continue
        found.append(Host(int(pid), _program(int(pid)), path))
    return found


def _program(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    names = [os.path.basename(w.decode("utf-8", "replace")) for w in words if w and not w.startswith(b"-")]
    return " ".join(names[:2]) if names else os.path.basename(sys.executable)


def ask(host: Host, request: Reply, seconds: float = 30.0) -> dict[str, Any]:
    """Send one request and return the answer; raises StateError where the host doesn't give one in time."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            with _address(host.path) as address:
                connection.connect(address)
            connection.sendall(json.dumps(dict(request)).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.readline())
    except (OSError, ValueError) as error:
        raise StateError(
            f"the host with process id {host.pid} gave no answer: {error}", code="host-unreachable"
        ) from error
    if not isinstance(answer, dict):
        raise StateError(f"the host with process id {host.pid} gave no answer", code="host-unreachable")
    return answer


async def follow(host: Host, request: Reply) -> AsyncIterator[dict[str, Any]]:
    """Send one request and yield the answers, until the host ends the stream or is gone.

    Raises StateError where it can't be reached.
    """
    try:
        with _address(host.path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=_LINE)
    except OSError as error:
        raise StateError(
            f"the host with process id {host.pid} can't be reached: {error}", code="host-unreachable"
        ) from error
    try:
        with contextlib.suppress(ConnectionError, ValueError, asyncio.LimitOverrunError):
            await _send(writer, request)
            while line := await reader.readline():
                answer = json.loads(line)
                if isinstance(answer, dict):
                    yield answer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
