"""A confined child's network: through the broker, to what was granted, by the standard library unchanged."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devkit_core.sandbox.authority import decide
from devkit_core.workers.broker import Broker

WEB = ("network:access",)
DENIED = ("EPERM", "EACCES")


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        body = request.split(b" ")[1]
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A web server on this machine that answers with the path asked for."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def run(laboratory: Any) -> Any:
    async def run(attacks: list[str], grants: tuple[str, ...], names: dict[str, Any], **broker: Any) -> Any:
        """Run attacks in confined children that have a broker of these grants."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made = Broker(ours, decide(grants, grants, plugin="x"), **broker)
        try:
            with theirs:
                plan = laboratory.plan(grants)
                process: subprocess.Popen[bytes] = laboratory.start(
                    attacks, plan, names=names, broker=theirs.fileno()
                )
            out, _ = await asyncio.to_thread(process.communicate, timeout=60)
            assert process.returncode == 0
            return json.loads(out)
        finally:
            await made.close()

    return run


async def test_the_standard_library_connects(run: Any, port: int) -> None:
    url = "http://service.test:%d/%s"
    outcomes = await run(
        [
            f"import urllib.request\nvalue = urllib.request.urlopen({url!r} % (PORT, 'a')).read().decode()",
            "import http.client\nc = http.client.HTTPConnection('service.test', PORT, timeout=5)\n"
            "c.request('GET', '/b'); value = c.getresponse().read().decode()",
            "s = socket.create_connection(('service.test', PORT))\n"
            "assert s.getpeername() == ('127.0.0.1', PORT) and s.getblocking()\n"
            "s.sendall(b'GET /c HTTP/1.1\\r\\n\\r\\n'); value = s.makefile().read().split('\\n')[-1]",
            "import asyncio\nasync def main():\n"
            "    r, w = await asyncio.open_connection('service.test', PORT)\n"
            "    w.write(b'GET /d HTTP/1.1\\r\\n\\r\\n'); data = await r.read(); w.close()\n"
            "    return data.decode().split('\\n')[-1]\n"
            "async def many():\n    return sorted(await asyncio.gather(*[main() for _ in range(6)]))[-1]\n"
            "value = asyncio.run(many())",
            "s = socket.socket()\ns.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n"
            "assert s.connect_ex(('127.0.0.1', PORT)) == 0\n"
            "assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)\nvalue = '/e'",
            "import select\ns = socket.socket(); s.setblocking(False)\n"
            "assert s.connect_ex(('127.0.0.1', PORT)) == errno.EINPROGRESS\n"
            "assert s.connect_ex(('127.0.0.1', PORT)) in (errno.EALREADY, errno.EISCONN)\n"
            "assert select.select([], [s], [], 5)[1] == [s]\n"
            "assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0\n"
            "s.send(b'GET /f HTTP/1.1\\r\\n\\r\\n'); select.select([s], [], [])\n"
            "value = s.recv(1000).decode().split('\\n')[-1]",
            "found = []\ndef one():\n"
            "    s = socket.create_connection(('service.test', PORT)); found.append(s.getpeername()[1])\n"
            "threads = [threading.Thread(target=one) for _ in range(12)]\n"
            "[t.start() for t in threads]; [t.join() for t in threads]\n"
            "assert found == [PORT] * 12; value = '/g'",
            "value = socket.gethostbyname('service.test')",
        ],
        (f"network:connect=service.test:{port}", f"network:connect=127.0.0.1:{port}"),
        {"PORT": port},
        resolve=lambda host, _port: {"service.test": ["127.0.0.1"]}[host],
    )
    wanted = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "127.0.0.1"]
    assert [o.get("value", o) for o in outcomes] == wanted


async def test_tls_works(run: Any, laboratory: Any, tmp_path: Path) -> None:
    key, certificate = laboratory.root / "key.pem", laboratory.root / "plugin" / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=service.test",
         "-addext", "subjectAltName=DNS:service.test"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code = (
            "import ssl, urllib.request\n"
            "context = ssl.create_default_context()\n"
            "context.load_verify_locations(PLUGIN + '/certificate.pem')\n"
            "url = 'https://service.test:%d/secure' % PORT\n"
            "value = urllib.request.urlopen(url, context=context).read().decode()"
        )
        grants = (f"network:connect=service.test:{port}",)
        (outcome,) = await run([code], grants, {"PORT": port}, resolve=lambda *_: ["127.0.0.1"])
    assert outcome.get("value", outcome) == "/secure"


async def test_public_hosts_need_the_right_of_their_port(run: Any, port: int) -> None:
    """The server here stands for a public one."""
    attacks = [
        "socket.create_connection(('127.0.0.1', PORT))",
        "socket.create_connection(('service.test', 80))",
        "socket.create_connection(('service.test', 443))",
        "socket.getaddrinfo('service.test', 443)",
    ]
    names = {"PORT": port}
    settings: dict[str, Any] = {"resolve": lambda *_: ["127.0.0.1"], "public": lambda _: True}
    by_grant = {
        grants: [o["is"] for o in await run(attacks, grants, names, **settings)]
        for grants in (("network:http",), ("network:https",), (f"network:connect=127.0.0.1:{port}",))
    }
    reached = "ECONNREFUSED"  # nothing listens there on this machine, but it was tried
    assert by_grant[("network:http",)] == ["EACCES", reached, "EACCES", "EACCES"]
    assert by_grant[("network:https",)] == ["EACCES", "EACCES", reached, "ok"]
    assert by_grant[(f"network:connect=127.0.0.1:{port}",)] == ["ok", "EACCES", "EACCES", "EACCES"]


async def test_private_addresses_are_refused_with_the_right_they_need(run: Any) -> None:
    attacks = [f"socket.create_connection(({a!r}, 80))" for a in ("127.0.0.1", "10.0.0.1", "::1", "0.0.0.0")]
    attacks += ["socket.create_connection(('inside.test', 443))"]
    outcomes = await run(attacks, WEB, {}, resolve=lambda *_: ["192.168.1.1", "fe80::1"])
    assert [o["is"] for o in outcomes] == ["EACCES"] * 5
    assert "needs network:connect=127.0.0.1:80" in outcomes[0]["text"]
    assert "inside.test has no public address" in outcomes[4]["text"]


async def test_a_name_that_changes_its_address_gains_nothing(run: Any) -> None:
    code = "socket.getaddrinfo('rebind.test', 80)\nsocket.create_connection(('rebind.test', 80))"
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    (outcome,) = await run([code], WEB, {}, resolve=lambda *_: next(answers))
    assert outcome["is"] == "EACCES"


async def test_a_slow_host_times_out(run: Any) -> None:
    import time

    def slow(*_: Any) -> list[str]:
        time.sleep(0.6)
        return ["93.184.216.34"]

    outcomes = await run(["socket.create_connection(('slow.test', 80))"], WEB, {}, resolve=slow, seconds=0.2)
    assert outcomes[0]["is"] == "ETIMEDOUT"


async def test_unknown_names_are_gaierrors(run: Any) -> None:
    def unknown(*_: Any) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    (outcome,) = await run(
        ["import urllib.request\nurllib.request.urlopen('http://no.test/')"], WEB, {}, resolve=unknown
    )
    assert "no.test can't be resolved" in outcome["text"]


async def test_no_way_around_the_broker(run: Any, port: int) -> None:
    """With a connection from the broker in hand, and with a network right."""
    grants = (f"network:connect=127.0.0.1:{port}",)
    connected = "s = socket.create_connection(('127.0.0.1', PORT))\n"
    outcomes = await run(
        [
            connected + "import _socket\n_socket.socket.connect(s, ('127.0.0.1', 1))",
            connected + "call(42, s.fileno(), b'\\0' * 16, 16)",  # AF_UNSPEC would disconnect it
            connected + "_s = __import__('_socket').socket; _s.bind(_s(), ('0.0.0.0', 0))",
            connected + "s.shutdown(2); s.listen()",
            connected + "s.sendto(b'x', ('127.0.0.1', PORT))",
        ],
        grants,
        {"PORT": port},
    )
    assert [o["is"] for o in outcomes] == ["EPERM"] * 5


def test_without_a_right_the_message_names_it(laboratory: Any) -> None:
    attacks = [
        "import urllib.request\nurllib.request.urlopen('http://example.com/')",
        "socket.create_connection(('127.0.0.1', 80))",
        "socket.socket()",
        "import asyncio\nasyncio.run(asyncio.open_connection('example.com', 443))",
    ]
    outcomes = laboratory.run(attacks, explain=True)
    for outcome in outcomes:
        assert "needs network:https" in outcome["text"], outcome
    pair = laboratory.run(
        ["import asyncio\nasyncio.run(asyncio.sleep(0))", "socket.socketpair()"], explain=True
    )
    assert [o["is"] for o in pair] == ["ok", "ok"]
