"""Makes sockets connect through the host's broker."""

# The worker's filter lets no connection be made here. `install` replaces the few functions of `socket`
# through which the standard library connects, so urllib, http.client, ssl and asyncio work unchanged:
# the host connects, and its descriptor takes the place of the socket's own.

from __future__ import annotations

import array
import errno
import json
import os
import select
import socket
import weakref
from typing import Any, NoReturn

_WEB = {"http": 80, "https": 443}
_LONGEST_ANSWER = 8192
_INTERNET = (socket.AF_INET, socket.AF_INET6)
# What a program may have set on its socket before it connected, and expects to find afterwards.
_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
)
_NO_NETWORK = "this plugin has no network: it needs network:https, network:http or network:connect=HOST:PORT"
_ONLY_TCP = "this plugin's network is TCP connections to what it was granted; no other sockets"


_PLAIN: dict[Any, dict[str, Any]] = {
    socket: {name: getattr(socket, name) for name in ("getaddrinfo", "gethostbyname")},
    socket.socket: {"__init__": socket.socket.__init__},
}

# what the host said, and the descriptor that came with it
Answer = tuple[dict[str, Any], int | None]


class Network:
    """The worker's side of one broker; `install` makes it and puts it in place."""

    def __init__(self, fd: int) -> None:
        self.broker = socket.socket(fileno=fd)
        self.broker.settimeout(None)
        # sockets whose connection the host is still making
        self.pending: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.connect_plain = socket.socket.connect
        self.getsockopt_plain = socket.socket.getsockopt
        self.getaddrinfo_plain = socket.getaddrinfo

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[Any, ...]]:
        """Stand for socket.getaddrinfo: numbers are answered here, names by the host."""
        if isinstance(host, bytes):
            host = host.decode("ascii")
        if isinstance(port, bytes):
            port = port.decode("ascii")
        if isinstance(port, str):
            port = _WEB.get(port) if not (port.isascii() and port.isdigit()) else int(port)
            if port is None:
                raise socket.gaierror(socket.EAI_SERVICE, "only http, https and numbers are known as ports")
        if host is None or _family(host) is not None:
            number = flags | socket.AI_NUMERICHOST
            return [*self.getaddrinfo_plain(host, port, family, type, proto, number)]
        if type not in (0, socket.SOCK_STREAM):
            raise socket.gaierror(socket.EAI_SOCKTYPE, _ONLY_TCP)
        name = host if host.isascii() else host.encode("idna").decode("ascii")
        answer, _ = _finish(self.ask({"resolve": [name, port or 0]}), None)
        if answer.get("errno") == errno.ENOENT:
            raise socket.gaierror(socket.EAI_NONAME, answer["message"])
        _raise(answer)
        found = []
        for address in answer["addresses"]:
            its = _family(address)
            if family not in (0, its):
                continue
            end = (address, port or 0) if its == socket.AF_INET else (address, port or 0, 0, 0)
            found.append((its, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", end))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address of that family")
        return found

    def connect(self, sock: socket.socket, address: Any) -> None:
        """Stand for socket.socket.connect, in all three modes: blocking, with a time limit, not blocking."""
        if sock.family not in _INTERNET:
            return self.connect_plain(sock, address)
        if sock in self.pending:
            raise BlockingIOError(errno.EALREADY, os.strerror(errno.EALREADY))
        host, port = address[:2]
        if _family(host) is None:
            host = self.getaddrinfo(host, port, sock.family, socket.SOCK_STREAM)[0][4][0]
        request = {"connect": [host, port]}
        limit = sock.gettimeout()
        if limit == 0:
            self.begin(sock, request)
            raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
        answer, made = _finish(self.ask(request), limit)
        _raise(answer)
        _adopt(sock, made)
        return None

    def begin(self, sock: socket.socket, request: dict[str, Any]) -> None:
        """Put the waiting pair in the socket's place: it turns writable when the host has answered."""
        waiting = self.ask(request, filled=True)
        _adopt(sock, waiting.detach(), options=False)
        self.pending.add(sock)

    def getsockopt(self, sock: socket.socket, level: int, option: int, *size: int) -> int | bytes:
        """Stand for socket.socket.getsockopt: SO_ERROR is where a program learns how its connect went."""
        if (level, option) != (socket.SOL_SOCKET, socket.SO_ERROR) or sock not in self.pending:
            return self.getsockopt_plain(sock, level, option, *size)
        readable = select.poll()
        readable.register(sock.fileno(), select.POLLIN)
        if not readable.poll(1000):
            return errno.EINPROGRESS
        self.pending.discard(sock)
        answer, made = _read(sock)
        if "errno" in answer:
            return int(answer["errno"])
        _adopt(sock, made)
        return 0

    def ask(self, request: dict[str, Any], filled: bool = False) -> socket.socket:
        """Send one request and return the socket on which its answer comes."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            if filled:
                ours.setblocking(False)
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
                try:
                    while True:
                        ours.send(b"\0" * 512)
                except BlockingIOError:
                    pass
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))]
            self.broker.sendmsg([json.dumps(request).encode()], extra)
        return ours


def install(fd: int) -> None:
    """Make this process connect through the broker whose channel is `fd`; called once, before the plugin."""
    uninstall()
    network = Network(fd)

    def connect(self: socket.socket, address: Any, /) -> None:
        return network.connect(self, address)

    def connect_ex(self: socket.socket, address: Any, /) -> int:
        try:
            network.connect(self, address)
        except TimeoutError:
            return errno.EAGAIN
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def getsockopt(self: socket.socket, *arguments: int) -> int | bytes:
        return network.getsockopt(self, *arguments)

    def gethostbyname(hostname: str, /) -> str:
        return str(network.getaddrinfo(hostname, 0, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])

    for function in (connect, connect_ex, getsockopt):
        setattr(socket.socket, function.__name__, function)
    for name, stand in (("getaddrinfo", network.getaddrinfo), ("gethostbyname", gethostbyname)):
        setattr(socket, name, stand)
    _explain(_ONLY_TCP)


def uninstall() -> None:
    """Undo `install_denied`."""
    for holder, names in _PLAIN.items():
        for name, plain in names.items():
            setattr(holder, name, plain)


def install_denied() -> None:
    """Make a refused socket say which permission it needs; the kernel refuses it in any case.

    Called in the zygote, since nearly every worker needs it and what a worker changes is memory of its own.
    """

    def refused(*_arguments: Any, **_more: Any) -> NoReturn:
        raise PermissionError(errno.EPERM, _NO_NETWORK)

    for name in ("getaddrinfo", "gethostbyname"):
        setattr(socket, name, refused)
    _explain(_NO_NETWORK)


def _explain(message: str) -> None:
    plain = socket.socket.__init__

    def explained(
        self: socket.socket, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        try:
            plain(self, family, type, proto, fileno)
        except PermissionError as error:
            raise PermissionError(error.errno, message) from None

    setattr(socket.socket, plain.__name__, explained)


def _family(host: str) -> int | None:
    """Return an address's family, None for a name."""
    for family in _INTERNET:
        try:
            socket.inet_pton(family, host)
        except (OSError, TypeError, ValueError):
            continue
        return family
    return None


def _finish(waiting: socket.socket, limit: float | None) -> Answer:
    """Wait for an answer; returns it and the descriptor that came with it."""
    with waiting:
        waiting.settimeout(limit)
        return _read(waiting)


def _read(waiting: socket.socket) -> Answer:
    size = socket.CMSG_SPACE(array.array("i").itemsize)
    data, extra, _flags, _ = waiting.recvmsg(_LONGEST_ANSWER, size, socket.MSG_CMSG_CLOEXEC)
    if not data:
        return {"errno": errno.ECONNABORTED, "message": "the host ended this plugin's network"}, None
    made = None
    for level, kind, body in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            made = array.array("i", body)[0]
    return json.loads(data), made


def _raise(answer: dict[str, Any]) -> None:
    if "errno" in answer:
        raise OSError(answer["errno"], answer["message"])


def _adopt(sock: socket.socket, made: int | None, options: bool = True) -> None:
    """Give a socket another descriptor under its own number, with its mode and what was set on it."""
    if made is None:  # the kernel had no number left for it
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    wanted = []
    if options:
        for option in _OPTIONS:
            try:
                wanted.append((option, socket.socket.getsockopt(sock, *option)))
            except OSError:
                continue
    os.dup2(made, sock.fileno(), inheritable=False)
    os.close(made)
    sock.settimeout(sock.gettimeout())
    for option, value in wanted:
        if value and socket.socket.getsockopt(sock, *option) != value:
            sock.setsockopt(*option, value)
