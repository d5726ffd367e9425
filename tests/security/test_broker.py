"""Hostile workers against the broker: refused, bounded, never an exception in the host's loop."""

from __future__ import annotations

import array
import asyncio
import errno
import ipaddress
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devkit_core.sandbox.authority import decide
from devkit_core.workers.broker import Broker
from devkit_core.workers.reach import is_public

GRANTS = ("network:access", "network:connect=service.test:5432", "network:connect=[fd00::1]:22")


class Worker:
    """A worker's end of a broker, which speaks as it likes."""

    def __init__(self, grants: tuple[str, ...] = GRANTS, **more: Any) -> None:
        ours, self.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.failures: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.failures.append(context))
        more = {"resolve": lambda *_: ["93.184.216.34"], "per_second": 10_000.0, **more}
        self.broker = Broker(ours, decide(grants, grants, plugin="x"), **more)

    async def ask(self, data: bytes, descriptors: list[int] | None = None) -> dict[str, Any] | None:
        """Send one packet and return the answer, None where the pair is closed without one."""
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with a:
            with b:
                numbers = [b.fileno()] if descriptors is None else descriptors
                extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers))] if numbers else []
                self.channel.sendmsg([data], extra)
            a.setblocking(False)
            answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(a, 65536), 5)
        return json.loads(answer) if answer else None


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    made = Worker()
    yield made
    await made.broker.close()
    made.channel.close()
    assert made.failures == []


PUBLIC = ("1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101", "2a00:1450::1")
NOT_PUBLIC = (
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
    "::ffff:1.1.1.1", "::ffff:127.0.0.1", "::1.1.1.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "2002:7f00:1::", "2001::1", "3fff::1", "100::1", "5f00::1", "",
    "localhost", "1.1.1", "0x7f.1", "017700000001", "1.1.1.1:80", "[::1]", "2606:4700::1%lo",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses())
def test_public_addresses_are_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if is_public(str(address)):
        embedded = ipaddress.ip_network("64:ff9b::/96")
        assert address.is_global or (address.version == 6 and address in embedded)
        assert not address.is_multicast
        assert not address.is_private


HOSTILE = (
    b"\0", b"{", b"[]", b"{}", b"null", b"1", b'"x"', b"\xff\xfe", b'{"resolve": 1}', b'{"resolve": []}',
    b'{"resolve": ["a"]}', b'{"resolve": ["a", "80"]}', b'{"resolve": ["a", true]}',
    b'{"resolve": ["a", -1]}',
    b'{"resolve": ["a", 65536]}', b'{"resolve": ["a", 1e9]}', b'{"resolve": [null, 80]}',
    b'{"resolve": ["", 80]}', b'{"resolve": ["a b", 80]}', b'{"resolve": ["a\\u0000b", 80]}',
    b'{"resolve": ["\\ud800", 80]}', b'{"resolve": ["' + b"a" * 300 + b'", 80]}',
    b'{"connect": ["name", 80]}',
    b'{"connect": ["127.0.0.1/8", 80]}', b'{"connect": ["1.1.1.1", 80], "resolve": ["a", 80]}',
    b'{"listen": ["1.1.1.1", 80]}', b"[" * 2000, b"x" * 2049, b'{"connect": ["1.1.1.1\\n", 80]}',
)  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE)
async def test_what_is_no_request_is_refused(worker: Worker, data: bytes) -> None:
    answer = await worker.ask(data)
    assert answer is not None
    assert answer["errno"] in (errno.EINVAL, errno.EACCES)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=2000))
def test_any_bytes_are_refused(data: bytes) -> None:
    async def one() -> None:
        worker = Worker()
        answer = await worker.ask(data)
        assert answer is not None
        assert answer["errno"]
        await worker.broker.close()
        worker.channel.close()
        assert worker.failures == []

    asyncio.run(one())


async def test_wrong_descriptors_get_no_answer_and_none_stays_open(worker: Worker) -> None:
    request = b'{"resolve": ["a.test", 80]}'
    read, write = os.pipe()
    stream, other = socket.socketpair()
    with stream, other, socket.socket() as tcp:
        null = os.open("/dev/null", os.O_RDONLY)
        before = len(os.listdir("/proc/self/fd"))
        for descriptors in ([], [read], [null], [stream.fileno()], [tcp.fileno()], [read, write, null]):
            assert await worker.ask(request, descriptors) is None
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        assert await worker.ask(request, [s.fileno() for s in pair] * 10) is None
        for s in pair:
            s.close()
        for number in (read, write, null):
            os.close(number)
        assert (await worker.ask(request)) == {"addresses": ["93.184.216.34"]}
        assert len(os.listdir("/proc/self/fd")) == before - 3


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"resolve": ["any.test", 443]}, {"addresses": ["93.184.216.34"]}),
        ({"resolve": ["any.test", 0]}, {"addresses": ["93.184.216.34"]}),
        ({"resolve": ["any.test", 22]}, errno.EACCES),
        ({"resolve": ["service.test", 5432]}, {"addresses": ["93.184.216.34"]}),
        ({"resolve": ["SERVICE.test.", 5432]}, {"addresses": ["93.184.216.34"]}),
        ({"resolve": ["service.test", 5433]}, errno.EACCES),
        ({"resolve": ["evil-service.test", 5432]}, errno.EACCES),
        ({"resolve": ["service.test.evil.test", 5432]}, errno.EACCES),
        ({"connect": ["93.184.216.34", 5432]}, errno.EACCES),  # not known to be service.test yet
        ({"connect": ["127.0.0.1", 80]}, errno.EACCES),
        ({"connect": ["::ffff:127.0.0.1", 80]}, errno.EACCES),
        ({"connect": ["fd00::1", 80]}, errno.EACCES),
        ({"connect": ["169.254.169.254", 80]}, errno.EACCES),
    ],
)
async def test_rights(worker: Worker, request_: dict[str, Any], answer: Any) -> None:
    found = await worker.ask(json.dumps(request_).encode())
    assert found is not None
    assert (found.get("errno") if isinstance(answer, int) else found) == answer


async def test_a_granted_name_leads_to_a_private_address_on_its_port_alone() -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    grants = (f"network:connect=inside.test:{port}", "network:http")
    worker = Worker(grants, resolve=lambda *_: ["127.0.0.1"])
    async with server:
        early = await worker.ask(json.dumps({"connect": ["127.0.0.1", port]}).encode())
        assert early is not None
        assert early["errno"] == errno.EACCES
        found = await worker.ask(json.dumps({"resolve": ["inside.test", port]}).encode())
        assert found == {"addresses": ["127.0.0.1"]}
        assert await worker.ask(json.dumps({"connect": ["127.0.0.1", port]}).encode()) == {"connected": True}
        other = await worker.ask(json.dumps({"connect": ["127.0.0.1", 80]}).encode())
        assert other is not None
        assert other["errno"] == errno.EACCES
    await worker.broker.close()
    worker.channel.close()


async def test_requests_in_flight_are_bounded_and_close_ends_them() -> None:
    active, most = 0, 0
    release = asyncio.Event()

    class Slow(Broker):
        async def _answer(self, data: bytes) -> Any:
            nonlocal active, most
            active += 1
            most = max(most, active)
            try:
                await release.wait()
            finally:
                active -= 1
            return {"addresses": []}, None

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    broker = Slow(ours, decide(GRANTS, GRANTS, plugin="x"), in_flight=4, per_second=10_000)
    waiting = []
    for _ in range(12):
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with b:
            theirs.sendmsg(
                [b'{"resolve": ["a.test", 80]}'],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [b.fileno()]))],
            )
        waiting.append(a)
    while most < 4:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    assert most == 4
    await broker.close()
    await broker.close()
    theirs.close()
    assert active == 0
    for a in waiting:
        assert a.recv(1) == b""
        a.close()


async def test_a_worker_that_ends_ends_its_broker() -> None:
    worker = Worker()
    worker.channel.close()
    for _ in range(3):
        await asyncio.sleep(0)
    await worker.broker.close()
    assert worker.failures == []
