"""A JavaScript plugin's network: Node's own clients, through the host, to what was granted."""

import asyncio
import contextlib
import dataclasses
import json
import shutil
import ssl
import subprocess

import pytest

# Each test sends code; what it returns comes back as JSON.
PLUGIN = r"""
const names = ['net', 'tls', 'http', 'https', 'dns', 'events']
const read = async (stream) => {
  const all = []
  for await (const part of stream) all.push(part)
  return Buffer.concat(all).toString()
}
const get = (client, url, options = {}) => new Promise((resolve, reject) => {
  client.get(url, options, (answer) => read(answer).then(resolve, reject)).on('error', reject)
})
exports.execute = async (input) => {
  const run = Object.getPrototypeOf(async () => {}).constructor(...names, 'get', 'read', input)
  try {
    return JSON.stringify(await run(...names.map((name) => require(name)), get, read) ?? null)
  } catch (error) {
    const cause = error.cause ?? error
    return JSON.stringify({ code: cause.code, message: cause.message })
  }
}
"""


class Server:
    """A web server that answers a GET with its path, `/big` with 1 MiB, and a POST with how much it got."""

    def __init__(self) -> None:
        self.connections = 0

    async def __call__(self, reader, writer) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                path = head.split(" ")[1]
                size = 0
                for line in head.split("\r\n"):
                    if line.startswith("content-length:"):
                        size = int(line.split(":")[1])
                got = await reader.readexactly(size) if size else b""
                body = str(len(got)).encode() if size else path.encode()
                if path == "/big":
                    body = bytes(range(256)) * 4096
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


@pytest.fixture
async def web():
    answer = Server()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 22)
    async with server:
        answer.port = server.sockets[0].getsockname()[1]
        yield answer


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl, to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
async def secure(certificate):
    answer = Server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=1 << 22, ssl=context)
    async with server:
        answer.port = server.sockets[0].getsockname()[1]
        yield answer


@pytest.fixture
def run(bench):
    plugins = {}

    async def run(code: str, *grants: str):
        if grants not in plugins:
            asked = f"\n[permissions]\npermissions = {json.dumps(grants)}\n"
            bench.manager.config = dataclasses.replace(bench.manager.config, default_permissions=grants)
            plugins[grants] = await bench.js(PLUGIN, id=f"plugin-{len(plugins)}", more=asked)
        return json.loads(await plugins[grants].execute(code))

    return run


def to(server, host: str = "127.0.0.1") -> str:
    return f"network:connect={host}:{server.port}"


async def test_http(run, web) -> None:
    url = f"http://127.0.0.1:{web.port}"
    assert await run(f"return get(http, '{url}/a')", to(web)) == "/a"
    big = f"const t = await get(http, '{url}/big'); return t.length"
    assert await run(big, to(web)) > 1 << 19
    upload = f"""return new Promise((resolve, reject) => {{
      const request = http.request('{url}/up', {{ method: 'POST', headers: {{ 'content-length': 3 << 20 }} }},
        (answer) => read(answer).then(resolve, reject)).on('error', reject)
      request.end(Buffer.alloc(3 << 20))
    }})"""
    assert await run(upload, to(web)) == str(3 << 20)


async def test_fifty_requests_at_once_and_connections_kept(run, web) -> None:
    url = f"http://127.0.0.1:{web.port}"
    many = f"return Promise.all(Array.from({{ length: 50 }}, (_, i) => get(http, '{url}/' + i)))"
    assert await run(many, to(web)) == [f"/{i}" for i in range(50)]
    before = web.connections
    again = f"""const agent = new http.Agent({{ keepAlive: true, maxSockets: 1 }}); const all = []
      for (let i = 0; i < 20; i++) all.push(await get(http, '{url}/' + i, {{ agent }}))
      agent.destroy()
      return all"""
    assert await run(again, to(web)) == [f"/{i}" for i in range(20)]
    assert web.connections == before + 1


async def test_fetch(run, web, secure, certificate) -> None:
    url = f"http://127.0.0.1:{web.port}"
    assert await run(f"return (await fetch('{url}/f')).text()", to(web)) == "/f"
    big = f"""const part = Buffer.from([...Array(256).keys()])
      const got = await (await fetch('{url}/big')).arrayBuffer()
      return Buffer.concat(Array(4096).fill(part)).equals(Buffer.from(got))"""
    assert await run(big, to(web)) is True
    post = f"return (await fetch('{url}/', {{ method: 'POST', body: 'x'.repeat(1 << 20) }})).text()"
    assert await run(post, to(web)) == str(1 << 20)
    one = f"async (_, i) => (await fetch('{url}/' + i)).text()"
    many = f"return Promise.all(Array.from({{ length: 50 }}, {one}))"
    assert await run(many, to(web)) == [f"/{i}" for i in range(50)]


async def test_fetch_over_tls(run, secure) -> None:
    get = f"return (await fetch('https://localhost:{secure.port}/s')).text()"
    grant = to(secure, "localhost")
    # a certificate that nobody signed is refused by the plugin's own TLS
    assert (await run(get, grant))["code"] == "DEPTH_ZERO_SELF_SIGNED_CERT"
    assert await run(f"process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; {get}", grant) == "/s"


async def test_https(run, secure, certificate) -> None:
    url = f"https://localhost:{secure.port}"
    grant = to(secure, "localhost")
    ca = json.dumps((certificate / "cert.pem").read_text())
    assert await run(f"return get(https, '{url}/s', {{ ca: {ca} }})", grant) == "/s"
    assert await run(f"return get(https, '{url}/s', {{ rejectUnauthorized: false }})", grant) == "/s"
    assert await run(f"return (await get(https, '{url}/big', {{ ca: {ca} }})).length", grant) > 1 << 19
    told = await run(f"return get(https, '{url}/s')", grant)
    assert told["code"] == "DEPTH_ZERO_SELF_SIGNED_CERT"
    plain = f"""const socket = tls.connect({secure.port}, 'localhost', {{ ca: {ca} }})
      await events.once(socket, 'secureConnect')
      socket.write('GET /t HTTP/1.1\\r\\n\\r\\n')
      for await (const part of socket) return [socket.authorized, part.toString().split('\\n').at(-1)]"""
    assert await run(plain, grant) == [True, "/t"]
    upgraded = f"""const raw = new net.Socket()
      raw.connect({secure.port}, 'localhost')
      await events.once(raw, 'connect')
      const socket = tls.connect({{ socket: raw, ca: {ca}, servername: 'localhost' }})
      socket.write('GET /u HTTP/1.1\\r\\n\\r\\n')
      for await (const part of socket) return [socket.authorized, part.toString().split('\\n').at(-1)]"""
    assert await run(upgraded, grant) == [True, "/u"]


async def test_plain_sockets(run, web) -> None:
    code = f"""const socket = net.connect({{ host: '127.0.0.1', port: {web.port} }})
      socket.write('GET /early HTTP/1.1\\r\\n\\r\\n')
      await events.once(socket, 'connect')
      const peer = [socket.remoteAddress, socket.remotePort, socket instanceof net.Socket]
      socket.setNoDelay(true).setKeepAlive(true)
      const seen = () => [...peer, socket.bytesRead > 9, socket.bytesWritten]
      for await (const part of socket) return [...seen(), part.toString().split('\\n').at(-1)]"""
    assert await run(code, to(web)) == ["127.0.0.1", web.port, True, True, 23, "/early"]


async def test_half_closed(run) -> None:
    async def echo(reader, writer) -> None:
        writer.write(await reader.read())
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code = (
            f"const socket = net.connect({port}, '127.0.0.1'); socket.end('all of it'); return read(socket)"
        )
        assert await run(code, f"network:connect=127.0.0.1:{port}") == "all of it"


async def test_names(run) -> None:
    grant = "network:connect=localhost:9"
    assert await run("return dns.promises.lookup('127.0.0.9')", grant) == {
        "address": "127.0.0.9",
        "family": 4,
    }
    found = await run(
        "return (await dns.promises.lookup('localhost', { all: true })).map((a) => a.address)", grant
    )
    assert "127.0.0.1" in found
    assert (await run("return dns.promises.lookup('other.example')", grant))["code"] == "EACCES"


async def test_what_was_not_granted_is_refused(run, web, secure) -> None:
    url = f"http://127.0.0.1:{web.port}/"
    for code in (f"return get(http, '{url}')", f"return (await fetch('{url}')).text()"):
        told = await run(code, to(secure))
        assert told["code"] == "EACCES"
        assert f"needs network:connect=127.0.0.1:{web.port}" in told["message"]
    assert web.connections == 0


async def test_the_web_is_public_addresses_and_its_own_ports(run) -> None:
    told = await run("return get(https, 'https://127.0.0.1/')", "network:https")
    assert "127.0.0.1 isn't public" in told["message"]
    told = await run("return get(http, 'http://1.1.1.1/')", "network:https")
    assert "needs network:http" in told["message"]


async def test_without_a_grant_the_error_names_the_permissions(run, web) -> None:
    url = f"http://127.0.0.1:{web.port}/"
    for code in (
        f"return get(http, '{url}')",
        f"return get(https, '{url.replace('http', 'https')}')",
        f"return (await fetch('{url}')).text()",
        "return dns.promises.lookup('a.example')",
    ):
        told = await run(code)
        assert told["code"] == "EACCES"
        assert "it needs network:https, network:http or network:connect=HOST:PORT" in told["message"]
    assert web.connections == 0


async def test_a_plugin_that_floods_is_refused_and_goes_on(run, web) -> None:
    flood = f"""const all = Array.from({{ length: 400 }}, () => net.connect({web.port}, '127.0.0.1'))
      const told = await Promise.all(all.map((socket) => new Promise((resolve) => {{
        socket.on('connect', () => resolve('connected')).on('error', (error) => resolve(error.code))
      }})))
      for (const socket of all) socket.destroy()
      return told"""
    told = await run(flood, to(web))
    assert set(told) == {"connected", "EMFILE"}
    assert told.count("connected") <= 2 * 128
    assert await run(f"return get(http, 'http://127.0.0.1:{web.port}/after')", to(web)) == "/after"


async def test_a_connection_nobody_answers_is_an_error(run) -> None:
    async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    told = await run(f"return get(http, 'http://127.0.0.1:{port}/')", f"network:connect=127.0.0.1:{port}")
    assert told["code"] == "ECONNREFUSED"


async def test_a_module_imports_what_connects(bench, web) -> None:
    bench.manager.config = dataclasses.replace(bench.manager.config, default_permissions=(to(web),))
    plugin = await bench.mjs(
        """
        import { connect } from 'node:net'
        import { lookup } from 'node:dns/promises'
        export async function execute (port) {
          const socket = connect(Number(port), (await lookup('127.0.0.1')).address)
          socket.write('GET /module HTTP/1.1\\r\\n\\r\\n')
          for await (const part of socket) return part.toString().split('\\n').at(-1)
        }
        """,
        more=f"[permissions]\npermissions = ['{to(web)}']",
    )
    assert await plugin.execute(str(web.port)) == "/module"


async def test_a_script_has_the_network_in_each_call(bench, web, secure) -> None:
    grants = (to(web), to(secure, "localhost"))
    bench.manager.config = dataclasses.replace(bench.manager.config, default_permissions=grants)
    plugin = await bench.js(
        """
        const { argv } = process
        const https = require('https')
        if (argv[2] === 'execute') {
          const text = fetch(argv[3]).then((answer) => answer.text())
          text.then(console.log, (error) => console.log(error.cause.message))
        }
        """,
        more=f"[permissions]\npermissions = {json.dumps(grants)}",
    )
    assert await plugin.execute(f"http://127.0.0.1:{web.port}/script") == "/script"
    assert "self-signed" in await plugin.execute(f"https://localhost:{secure.port}/")
    assert "may not reach" in await plugin.execute("http://127.0.0.1:12345/")
    urls = [f"http://127.0.0.1:{web.port}/{i}" for i in range(4)]
    assert await asyncio.gather(*map(plugin.execute, urls)) == ["/0", "/1", "/2", "/3"]


async def test_http2(bench) -> None:
    def frame(kind: int, flags: int, stream: int, data: bytes = b"") -> bytes:
        return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data

    async def serve(reader, writer) -> None:
        await reader.readexactly(24)
        writer.write(frame(4, 0, 0))
        while True:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == 1:  # HEADERS; 0x88 is `:status: 200`
                writer.write(frame(1, 4, 1, b"\x88") + frame(0, 1, 1, b"second"))
            elif head[3] == 4 and not head[4] & 1:
                writer.write(frame(4, 1, 0))
            elif head[3] == 7:
                break
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        grant = f"network:connect=127.0.0.1:{port}"
        bench.manager.config = dataclasses.replace(bench.manager.config, default_permissions=(grant,))
        plugin = await bench.js(
            """
            const http2 = require('http2')
            exports.execute = (port) => new Promise((resolve, reject) => {
              const client = http2.connect('http://127.0.0.1:' + port).on('error', reject)
              let text = ''
              const request = client.request({ ':path': '/' }).setEncoding('utf8')
              request.on('data', (part) => { text += part }).on('error', reject)
              request.on('end', () => { client.close(); resolve(text) }).end()
            })
            """,
            more=f"[permissions]\npermissions = ['{grant}']",
        )
        assert await plugin.execute(str(port)) == "second"
