"""A worker's network through the relay: carried, checked, bounded, whatever the worker sends."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devkit_core.sandbox.authority import decide
from devkit_core.workers.relay import WINDOW, Relay

OPEN, OPENED, REFUSED, DATA, END, CREDIT, CLOSE, RESOLVE, RESOLVED = range(1, 10)
HEADER = struct.Struct(">IBI")
JSON = (OPENED, REFUSED, CLOSE, RESOLVED)


class Worker:
    """A worker's end of a relay, which speaks as it likes."""

    def __init__(self, *grants: str, **more: Any) -> None:
        ours, self.channel = socket.socketpair()
        self.channel.setblocking(False)
        self.failures: list[dict[str, Any]] = []
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _loop, context: self.failures.append(context))
        more = {"resolve": lambda *_: ["93.184.216.34"], "per_second": 10_000.0, **more}
        self.relay = Relay(ours, decide(grants, grants, plugin="x"), **more)

    async def send(self, kind: int, number: int, payload: bytes | dict[str, Any] = b"") -> None:
        data = json.dumps(payload).encode() if isinstance(payload, dict) else payload
        await self.loop.sock_sendall(self.channel, HEADER.pack(len(data), kind, number) + data)

    async def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = await asyncio.wait_for(self.loop.sock_recv(self.channel, size - len(data)), 5)
            if not part:
                raise EOFError
            data += part
        return data

    async def next(self) -> tuple[int, int, Any]:
        """Return the next frame; EOFError where the relay has closed the channel."""
        try:
            size, kind, number = HEADER.unpack(await self._read(HEADER.size))
            data = await self._read(size)
        except ConnectionResetError:
            raise EOFError from None
        return kind, number, json.loads(data) if kind in JSON else data

    async def open(self, number: int, port: int, host: str = "127.0.0.1") -> tuple[int, int, Any]:
        await self.send(OPEN, number, {"host": host, "port": port})
        return await self.next()

    async def until(self, kind: int) -> tuple[bytes, Any]:
        """Return the bytes that came before a frame of this kind, and what that one held."""
        got = b""
        while True:
            found, _, payload = await self.next()
            if found == DATA:
                got += payload
            if found == kind:
                return got, payload

    async def close(self) -> None:
        await self.relay.close()
        self.channel.close()
        assert self.failures == []


@pytest.fixture
async def make() -> AsyncIterator[Any]:
    made: list[Worker] = []

    def make(*grants: str, **more: Any) -> Worker:
        made.append(Worker(*grants, **more))
        return made[-1]

    yield make
    for worker in made:
        await worker.close()


class Echo:
    """A server that sends back what it gets, or waits until it is released."""

    def __init__(self) -> None:
        self.wait = asyncio.Event()
        self.wait.set()
        self.got = 0
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.wait.wait()
            while data := await reader.read(65536):
                self.got += len(data)
                writer.write(data)
                await writer.drain()
            self.ended.set()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    answer = Echo()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=4096)
    async with server:
        answer.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        yield answer


def to(server: Any) -> str:
    return f"network:connect=127.0.0.1:{server.port}"


async def test_bytes_and_both_ends_are_carried(make: Any, echo: Any) -> None:
    worker = make(to(echo))
    assert await worker.open(7, echo.port) == (OPENED, 7, {"address": "127.0.0.1", "port": echo.port})
    await worker.send(DATA, 7, b"hello")
    await worker.send(END, 7)
    assert (await worker.until(END))[0] == b"hello"
    assert (await worker.until(CLOSE)) == (b"", {})


async def test_data_may_come_before_the_connection_stands(make: Any, echo: Any) -> None:
    worker = make(to(echo))
    await worker.send(OPEN, 1, {"host": "127.0.0.1", "port": echo.port})
    await worker.send(DATA, 1, b"early")
    await worker.send(END, 1)
    assert (await worker.until(CLOSE)) == (b"early", {})


async def test_what_was_sent_before_a_close_arrives(make: Any, echo: Any) -> None:
    worker = make(to(echo))
    await worker.open(1, echo.port)
    await worker.send(DATA, 1, b"x" * 60000)
    await worker.send(DATA, 1, b"x" * 60000)
    await worker.send(CLOSE, 1)
    async with asyncio.timeout(5):
        while echo.got < 120000:
            await asyncio.sleep(0.005)
    assert (await worker.open(2, echo.port))[0] == OPENED


async def test_no_more_is_read_than_was_credited(make: Any) -> None:
    async def flood(_reader: Any, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        worker = make(f"network:connect=127.0.0.1:{port}")
        await worker.open(1, port)
        got = 0
        while got < WINDOW:
            got += len((await worker.next())[2])
        assert got == WINDOW
        await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError):
            worker.channel.recv(1)
        await worker.send(CREDIT, 1, (10).to_bytes(4, "big"))
        assert len((await worker.next())[2]) == 10
        await worker.send(CLOSE, 1)
        await worker.close()


async def test_no_more_is_taken_than_the_window(make: Any, echo: Any) -> None:
    echo.wait.clear()
    worker = make(to(echo))
    await worker.open(1, echo.port)

    async def flood() -> None:
        while True:
            await worker.send(DATA, 1, b"x" * 65536)

    with pytest.raises((BrokenPipeError, ConnectionResetError)):  # the worker has lost its network
        await asyncio.wait_for(flood(), 5)
    echo.wait.set()


async def test_only_what_was_granted(make: Any, echo: Any) -> None:
    worker = make(to(echo), "network:https", resolve=lambda *_: ["10.0.0.1"])
    for host, port, needs in (
        ("127.0.0.1", echo.port + 1, f"network:connect=127.0.0.1:{echo.port + 1}"),
        ("127.0.0.1", 443, "isn't public"),
        ("private.test", 443, "no public address"),
        ("1.1.1.1", 80, "network:http"),
        ("1.1.1.1", 0, "network:connect"),
    ):
        kind, _, why = await worker.open(port, port, host)
        assert (kind, why["code"]) == (REFUSED, "EACCES")
        assert needs in why["message"]


async def test_the_web_by_name(make: Any, echo: Any) -> None:
    # a public address, as far as the relay knows
    worker = make("network:http", resolve=lambda *_: ["127.0.0.1"], public=lambda _: True)
    await worker.send(RESOLVE, 1, {"host": "some.test", "port": 0})
    assert await worker.next() == (RESOLVED, 1, {"addresses": ["127.0.0.1"]})
    kind, _, why = await worker.open(2, echo.port, "some.test")
    assert (kind, why["code"]) == (REFUSED, "EACCES")
    kind, _, why = await worker.open(3, 80, "some.test")  # allowed, whether or not one listens there
    assert kind == OPENED or why["code"] == "ECONNREFUSED"
    named = make(f"network:connect=service.test:{echo.port}", resolve=lambda *_: ["127.0.0.9", "127.0.0.1"])
    assert (await named.open(1, echo.port, "service.test"))[2]["address"] == "127.0.0.1"


async def test_the_network_s_own_answers(make: Any) -> None:
    async with await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    worker = make(f"network:connect=127.0.0.1:{port}")
    kind, _, why = await worker.open(1, port)
    assert (kind, why) == (REFUSED, {"code": "ECONNREFUSED", "message": "Connection refused"})


async def test_connections_are_bounded(make: Any, echo: Any) -> None:
    worker = make(to(echo), connections=3)
    for number in (1, 2, 3):
        assert (await worker.open(number, echo.port))[0] == OPENED
    kind, _, why = await worker.open(4, echo.port)
    assert (kind, why["code"]) == (REFUSED, "EMFILE")
    await worker.send(CLOSE, 1)
    while (await worker.open(5, echo.port))[0] == REFUSED:
        await asyncio.sleep(0.01)


async def test_slow_names_are_given_up(make: Any) -> None:
    release = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        release.wait(5)
        return []

    worker = make("network:https", seconds=0.05, resolve=resolve)
    kind, _, why = await worker.open(1, 443, "slow.test")
    assert (kind, why["code"]) == (REFUSED, "ETIMEDOUT")
    release.set()


BROKEN = (
    HEADER.pack(65537, DATA, 1),
    HEADER.pack(0, 0, 1),
    HEADER.pack(0, 99, 1),
    HEADER.pack(0, DATA, 1),
    HEADER.pack(3, CREDIT, 1) + b"abc",
    HEADER.pack(0, OPEN, 1),
    HEADER.pack(0, END, 1) + HEADER.pack(1, DATA, 1) + b"x",
)


@pytest.mark.parametrize("data", BROKEN)
async def test_who_breaks_a_rule_loses_the_network(make: Any, echo: Any, data: bytes) -> None:
    worker = make(to(echo))
    await worker.open(1, echo.port)
    await worker.loop.sock_sendall(worker.channel, data)
    with pytest.raises(EOFError):
        await worker.until(CLOSE)


REQUESTS = (
    b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"host": 1, "port": 80}', b'{"host": "a"}', b"[" * 4000,
    b'{"host": "a", "port": "80"}', b'{"host": "a", "port": true}', b'{"host": "a", "port": 65536}',
    b'{"host": "a b", "port": 80}', b'{"host": "a\\u0000", "port": 80}', b'{"host": "", "port": 80}',
)  # fmt: skip


async def test_what_is_no_request_is_refused(make: Any) -> None:
    worker = make("network:http")
    for number, data in enumerate(REQUESTS):
        await worker.send(OPEN, number, data)
        kind, its, why = await worker.next()
        assert (kind, its, why["code"]) == (REFUSED, number, "EINVAL")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.binary(max_size=40))))
def test_any_frames_are_survived(frames: list[tuple[int, int, bytes]]) -> None:
    async def one() -> None:
        worker = Worker("network:http", resolve=lambda *_: ["10.0.0.1"])
        data = b"".join(HEADER.pack(len(payload), kind, number) + payload for kind, number, payload in frames)
        await worker.loop.sock_sendall(worker.channel, data)
        await asyncio.sleep(0)
        await worker.close()

    asyncio.run(one())


async def test_a_flood_of_requests_is_refused_one_by_one(make: Any) -> None:
    worker = make("network:http", per_second=500.0, connections=4)
    for number in range(200):
        await worker.send(OPEN, number, {"host": "10.0.0.1", "port": 80})
    codes = [(await worker.next())[2]["code"] for _ in range(50)]
    assert set(codes) == {"EACCES", "EMFILE"}


async def test_close_ends_everything_and_a_worker_that_ends_ends_its_relay(make: Any, echo: Any) -> None:
    worker = make(to(echo))
    await worker.open(1, echo.port)
    await worker.relay.close()
    await worker.relay.close()
    with pytest.raises(EOFError):
        await worker.next()
    other = make(to(echo))
    await other.open(1, echo.port)
    other.channel.close()
    await other.relay.close()
    never = make()
    await never.relay.close()
