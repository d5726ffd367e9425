"""Resolves, checks and connects for a worker that can't."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import ipaddress
import json
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devkit_core.sandbox.authority import Authority

__all__ = ["Broker", "is_public"]

# One packet is one request: JSON and the end of a SOCK_SEQPACKET pair on which the answer is wanted, so
# that a worker's threads need no lock between them. What a worker writes on that pair before the answer
# is filler: it keeps the pair unwritable, which its event loop takes for a connection still being made.
_LONGEST_REQUEST = 2048
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")
_WEB_PORTS = {"http": 80, "https": 443}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Inside 2000::/3 or `is_global`, and yet a way to other addresses: 6to4, Teredo and their like.
_TUNNELS = tuple(ipaddress.ip_network(n) for n in ("2002::/16", "2001::/23", "3fff::/20", "192.88.99.0/24"))

Resolve = Callable[[str, int], list[str]]


def is_public(address: str) -> bool:
    """Say whether an address is one of the public Internet, however it is written.

    An IPv4 address inside an IPv6 one counts as what it holds where a network translates it (NAT64);
    mapped, tunnelled and scoped forms are never public.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in _GLOBAL_UNICAST:
            return False
    odd = ip.is_multicast or ip.is_reserved or ip.is_private or ip.is_link_local or ip.is_unspecified
    return ip.is_global and not odd and not any(ip.version == n.version and ip in n for n in _TUNNELS)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class _Refused(Exception):
    """An answer of no, as an errno and a sentence for the plugin's author."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


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
        resolve: Resolve = _addresses,
        public: Callable[[str], bool] = is_public,
        seconds: float = 15.0,
        in_flight: int = 16,
        per_second: float = 200.0,
    ) -> None:
        self._channel = channel
        self._resolve = resolve
        self._public = public
        self._seconds = seconds
        self._in_flight = in_flight
        self._pause = 1.0 / per_second
        self._ports = {port for action, port in _WEB_PORTS.items() if authority.has("network", action)}
        self._endpoints = {_endpoint(s) for s in authority.scopes("network", "connect") if s is not None}
        self._known: dict[tuple[str, int], None] = {}  # addresses that a granted endpoint's name led to
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool: ThreadPoolExecutor | None = None
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
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

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
                except _Refused as error:
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
            found = await self._lookup(host, port)
            return {"addresses": found}, None
        self._check_address(host, port)
        return {"connected": True}, await self._connect(host, port)

    async def _lookup(self, host: str, port: int) -> list[str]:
        named = {p for name, p in self._endpoints if name == _plain(host) and port in (0, p)}
        if not named and port not in self._ports and not (port == 0 and self._ports):
            raise self._refusal(host, port)
        if self._pool is None:
            # Its own threads: a plugin that asks for slow names holds up no one else.
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="devkit-resolve")
        try:
            found = await self._loop.run_in_executor(self._pool, self._resolve, host, port)
        except socket.gaierror as error:
            raise _Refused(errno.ENOENT, f"{host} can't be resolved: {error.strerror}") from None
        except UnicodeError:
            raise _Refused(errno.ENOENT, f"{host} can't be resolved") from None
        for address in found if named else ():
            for one in named:
                self._known[(address, one)] = None
        while len(self._known) > 1024:
            del self._known[next(iter(self._known))]
        usable = found if named else [address for address in found if self._public(address)]
        if not usable:
            raise _Refused(errno.EACCES, f"{host} has no public address: it {_needs(host, port)}")
        return usable[:32]

    def _check_address(self, address: str, port: int) -> None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise _Refused(errno.EINVAL, "connect takes an address") from None
        plain = _plain(address)
        if (plain, port) in self._endpoints or (address, port) in self._known:
            return
        if port not in self._ports:
            raise self._refusal(address, port)
        if not self._public(address):
            raise _Refused(errno.EACCES, f"{address} isn't public: it {_needs(address, port)}")

    def _refusal(self, host: str, port: int) -> _Refused:
        web = next((action for action, p in _WEB_PORTS.items() if p == port), None)
        needs = f"needs network:{web}" if web else _needs(host, port)
        return _Refused(errno.EACCES, f"this plugin may not reach {host} port {port}: it {needs}")

    async def _connect(self, address: str, port: int) -> socket.socket:
        made = socket.socket(_FAMILIES[ipaddress.ip_address(address).version], socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            await self._loop.sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made


def _endpoint(scope: str) -> tuple[str, int]:
    host, _, port = scope.rpartition(":")
    return _plain(host), int(port)


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _needs(host: str, port: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return f"needs network:connect={bracketed}:{port or 'PORT'}"


def _read(data: bytes) -> tuple[str, int, str]:
    try:
        request = json.loads(data)
        (action, (host, port)) = next(iter(request.items()))
        if action not in ("resolve", "connect") or len(request) != 1 or type(port) is not int:
            raise ValueError
        address = action == "connect" or ":" in host
        if len(host) > 253 or not (address or _HOST.fullmatch(host)) or not 0 <= port < 65536:
            raise ValueError
    except (ValueError, TypeError, AttributeError, StopIteration, RecursionError):
        raise _Refused(errno.EINVAL, "not a request") from None
    return host, port, action


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
