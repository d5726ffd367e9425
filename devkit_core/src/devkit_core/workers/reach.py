"""What one worker may reach over the network, and how."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from devkit_core.sandbox.authority import Authority

__all__ = ["Reach", "Refused", "Resolve", "addresses", "check_form", "is_public"]

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")
_WEB_PORTS = {"http": 80, "https": 443}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Inside 2000::/3 or `is_global`, and yet a way to other addresses: 6to4, Teredo and their like.
_TUNNELS = tuple(ipaddress.ip_network(n) for n in ("2002::/16", "2001::/23", "3fff::/20", "192.88.99.0/24"))
_PATIENCE = 2.5  # seconds for an address that has others after it

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


def addresses(host: str, port: int) -> list[str]:
    """Return a name's addresses as this machine knows them, each once; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Refused(Exception):
    """An answer of no, as an errno and a sentence for the plugin's author."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class Reach:
    """The network rights of one worker: every name, address and port that it asks for is checked here.

    Made on the host's event loop. All refusals are `Refused`; what the network itself answers is OSError.
    """

    def __init__(
        self,
        authority: Authority,
        resolve: Resolve = addresses,
        public: Callable[[str], bool] = is_public,
    ) -> None:
        self._resolve = resolve
        self._public = public
        self._ports = {port for action, port in _WEB_PORTS.items() if authority.has("network", action)}
        self._endpoints = {_endpoint(s) for s in authority.scopes("network", "connect") if s is not None}
        self._known: dict[tuple[str, int], None] = {}  # addresses that a granted endpoint's name led to
        self._pool: ThreadPoolExecutor | None = None
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End the threads that resolve names; may be called any number of times."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def lookup(self, host: str, port: int) -> list[str]:
        """Return at most 32 addresses of a name that may be reached; port 0 is any port."""
        named = {p for name, p in self._endpoints if name == _plain(host) and port in (0, p)}
        if not named and port not in self._ports and not (port == 0 and self._ports):
            raise self._refusal(host, port)
        if self._pool is None:
            # Its own threads: a plugin that asks for slow names holds up no one else.
            self._pool = ThreadPoolExecutor(2, thread_name_prefix="devkit-resolve")
        try:
            found = await self._loop.run_in_executor(self._pool, self._resolve, host, port)
        except socket.gaierror as error:
            raise Refused(errno.ENOENT, f"{host} can't be resolved: {error.strerror}") from None
        except UnicodeError:
            raise Refused(errno.ENOENT, f"{host} can't be resolved") from None
        for address in found if named else ():
            for one in named:
                self._known[(address, one)] = None
        while len(self._known) > 1024:
            del self._known[next(iter(self._known))]
        usable = found if named else [address for address in found if self._public(address)]
        if not usable:
            raise Refused(errno.EACCES, f"{host} has no public address: it {_needs(host, port)}")
        return usable[:32]

    def check(self, address: str, port: int) -> None:
        """Refuse an address and port that this worker may not connect to."""
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise Refused(errno.EINVAL, "connect takes an address") from None
        plain = _plain(address)
        if (plain, port) in self._endpoints or (address, port) in self._known:
            return
        if port not in self._ports:
            raise self._refusal(address, port)
        if not self._public(address):
            raise Refused(errno.EACCES, f"{address} isn't public: it {_needs(address, port)}")

    def _refusal(self, host: str, port: int) -> Refused:
        web = next((action for action, p in _WEB_PORTS.items() if p == port), None)
        needs = f"needs network:{web}" if web else _needs(host, port)
        return Refused(errno.EACCES, f"this plugin may not reach {host} port {port}: it {needs}")

    async def connect(self, address: str, port: int) -> socket.socket:
        """Connect to an address that may be reached; the socket is the caller's."""
        self.check(address, port)
        made = socket.socket(_FAMILIES[ipaddress.ip_address(address).version], socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            await self._loop.sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made

    async def open(self, host: str, port: int) -> socket.socket:
        """Connect to a name or an address: to the first of its addresses that answers."""
        found = [host] if ":" in host or _is_address(host) else await self.lookup(host, port)
        for address in found[:-1]:
            try:
                async with asyncio.timeout(_PATIENCE):
                    return await self.connect(address, port)
            except (OSError, TimeoutError):
                continue
        return await self.connect(found[-1], port)


def check_form(host: object, port: object) -> tuple[str, int]:
    """Return a host and a port as their types; Refused where they are none. Addresses are checked later."""
    if type(host) is not str or type(port) is not int or not 0 <= port < 65536:
        raise Refused(errno.EINVAL, "not a request")
    if len(host) > 253 or not (":" in host or _HOST.fullmatch(host)):
        raise Refused(errno.EINVAL, "not a request")
    return host, port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _endpoint(scope: str) -> tuple[str, int]:
    host, _, port = scope.rpartition(":")
    return _plain(host), int(port)


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _needs(host: str, port: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return f"needs network:connect={bracketed}:{port or 'PORT'}"
