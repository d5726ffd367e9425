"""Downloads: https alone, within bounds, to no one else's address."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devkit_core.catalog.downloads import download
from devkit_core.errors import ArchiveRefused, NetworkError


class Server:
    """An https server for localhost; `answers` are what it does, by path, `seen` the headers it got."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "cert.pem"
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]
        names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem"]
        subprocess.run([*command, *names, "-out", self.certificate], check=True, capture_output=True)
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.seen: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append(dict(self.headers))
                outer.answers[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("localhost", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, folder / "key.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://localhost:{self._server.server_port}"
        self.context = ssl.create_default_context(cafile=self.certificate)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        made = Server(tmp_path_factory.mktemp("tls"))
    except FileNotFoundError:
        pytest.skip("needs openssl, for a certificate")
    yield made
    made.close()


def sends(data: bytes, length: int | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def leads(to: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()

    return answer


def fails(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: handler.send_error(code)


def get(server: Server, target: Path, path: str = "/a", limit: int = 1000, **more: object) -> bytes:
    download(f"{server.address}{path}", target, limit=limit, **{"context": server.context, **more})
    return target.read_bytes()


def test_what_is_sent_is_written(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = sends(b"x" * 1000, 1000)
    assert get(server, tmp_path / "a") == b"x" * 1000
    server.answers["/a"] = sends(b"y")  # without a length
    assert get(server, tmp_path / "b") == b"y"


def test_redirects_go_from_https_to_https_and_take_nothing_along(server: Server, tmp_path: Path) -> None:
    server.seen.clear()
    server.answers["/a"] = leads(f"{server.address}/b")
    server.answers["/b"] = sends(b"x", 1)
    assert get(server, tmp_path / "a") == b"x"
    for headers in server.seen:
        assert {"Authorization", "Cookie"}.isdisjoint(headers)


@pytest.mark.parametrize(
    "to", ["http://localhost/b", "file:///etc/passwd", "ftp://localhost/b", "https://me:pw@localhost/b"]
)
def test_redirects_elsewhere_are_refused(to: str, server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = leads(to)
    with pytest.raises(NetworkError) as caught:
        get(server, tmp_path / "a")
    assert caught.value.code in ("download-refused", "download-failed")
    assert not (tmp_path / "a").exists()


def test_a_ring_of_redirects_ends(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = leads(f"{server.address}/a")
    with pytest.raises(NetworkError):
        get(server, tmp_path / "a")


@pytest.mark.parametrize("length", [1001, None])
def test_the_limit_holds_whatever_is_promised(length: int | None, server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = sends(b"x" * 1001, length)
    with pytest.raises(ArchiveRefused) as caught:
        get(server, tmp_path / "a")
    assert caught.value.code == "archive-too-large"


@pytest.mark.parametrize(
    "answer",
    [fails(404), fails(500), sends(b"short", 900), lambda handler: None],
    ids=["404", "500", "cut", "none"],
)
def test_answers_that_are_none(
    answer: Callable[[BaseHTTPRequestHandler], None], server: Server, tmp_path: Path
) -> None:
    server.answers["/a"] = answer
    with pytest.raises(NetworkError) as caught:
        get(server, tmp_path / "a")
    assert caught.value.code == "download-failed"


def test_one_that_takes_for_ever_is_given_up(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = sends(b"x" * 10, 10)
    clock = iter([0.0, 601.0])
    with pytest.raises(NetworkError, match="took more than"):
        get(server, tmp_path / "a", clock=lambda: next(clock))


def test_a_certificate_that_is_not_trusted_and_no_server_at_all(server: Server, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="certificate"):
        get(server, tmp_path / "a", context=ssl.create_default_context())
    with pytest.raises(NetworkError):
        download("https://localhost:1/a", tmp_path / "a", limit=10)
