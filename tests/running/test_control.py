"""The control socket answers its own user, streams, and never trips over what it is sent."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devkit_core.errors import StateError, UsageError
from devkit_core.running import control
from devkit_core.running.control import ControlServer, Host, ask, follow, hosts


class Answers:
    """Echoes requests, counts up, refuses."""

    def __init__(self) -> None:
        self.streams = 0

    async def __call__(self, request):
        match request.get("op"):
            case "count":
                return self.count(request["to"])
            case "bad":
                raise UsageError("not this", hint="that")
        return {"echo": dict(request)}

    async def count(self, to: int) -> AsyncIterator[dict]:
        self.streams += 1
        try:
            for number in range(to):
                yield {"number": number}
                await asyncio.sleep(0)
        finally:
            self.streams -= 1


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def host(tmp_path: Path, answers: Answers) -> AsyncIterator[Host]:
    server = ControlServer(tmp_path, answers)
    await server.start()
    (path,) = (tmp_path / "hosts").iterdir()
    yield Host(os.getpid(), "test", path)
    await server.close()
    await server.close()
    assert list((tmp_path / "hosts").iterdir()) == []


async def raw(host: Host, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(host.path))
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_only_its_user_gets_in(host):
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.path.parent.stat().st_mode) == 0o700


async def test_a_stranger_gets_no_answer(host, monkeypatch):
    monkeypatch.setattr(control, "_peer", lambda sock: os.getuid() + 1)
    with contextlib.suppress(ConnectionError):  # it hangs up on what was not read
        assert await raw(host, b'{"op": "list"}\n') == b""


async def test_a_folder_whose_path_is_too_long_for_a_socket(tmp_path, answers):
    deep = tmp_path / ("long" * 20) / ("longer" * 10)
    server = ControlServer(deep, answers)
    await server.start()
    (path,) = (deep / "hosts").iterdir()
    host = Host(1, "", path)
    assert "echo" in await asyncio.to_thread(ask, host, {"op": "x"})
    assert [answer async for answer in follow(host, {"op": "count", "to": 1})] == [{"number": 0}]
    path.rename(path.with_name("1-other.sock"))
    assert [each.pid for each in await asyncio.to_thread(hosts, deep)] == [1]
    await server.close()


async def test_requests(host):
    assert await asyncio.to_thread(ask, host, {"op": "x", "id": "Ω"}) == {"echo": {"op": "x", "id": "Ω"}}
    refused = await asyncio.to_thread(ask, host, {"op": "bad"})
    assert (refused["error"]["code"], refused["error"]["hint"]) == ("usage", "that")


async def test_several_requests_on_one_connection(host):
    lines = (await raw(host, b'{"op": "a"}\n{"op": "b"}\n')).splitlines()
    assert [json.loads(line)["echo"]["op"] for line in lines] == ["a", "b"]


@pytest.mark.parametrize(
    "data", [b"\n", b"[]\n", b"\xff\xfe\n", b"{" * 10_000 + b"\n", b'"text"\n', b"null\n"]
)
async def test_what_is_no_request_is_refused(host, data):
    assert json.loads(await raw(host, data))["error"]["code"] == "usage"


async def test_an_endless_request_ends_the_connection(host):
    with pytest.raises((ConnectionError, AssertionError)):
        assert await raw(host, b"x" * (4 << 20)) != b""
    assert "echo" in await asyncio.to_thread(ask, host, {"op": "still"})


async def test_a_stream(host, answers):
    found = [answer async for answer in follow(host, {"op": "count", "to": 5})]
    assert found == [{"number": number} for number in range(5)]
    assert answers.streams == 0


async def test_a_stream_ends_when_its_reader_goes(host, answers):
    stream = follow(host, {"op": "count", "to": 10**9})
    assert await anext(stream) == {"number": 0}
    assert answers.streams == 1
    await stream.aclose()
    for _ in range(200):
        if not answers.streams:
            break
        await asyncio.sleep(0.01)
    assert answers.streams == 0


async def test_closing_ends_streams(tmp_path, answers):
    server = ControlServer(tmp_path, answers)
    await server.start()
    (path,) = (tmp_path / "hosts").iterdir()
    stream = follow(Host(1, "", path), {"op": "count", "to": 10**9})
    await anext(stream)
    await server.close()
    async for _ in stream:
        pass
    assert answers.streams == 0


def test_a_host_that_is_gone(tmp_path):
    with pytest.raises(StateError) as caught:
        ask(Host(1, "", tmp_path / "none.sock"), {"op": "list"})
    assert caught.value.code == "host-unreachable"


async def test_following_a_host_that_is_gone(tmp_path):
    with pytest.raises(StateError):
        await anext(follow(Host(1, "", tmp_path / "none.sock"), {"op": "events"}))


def test_a_host_that_says_nothing(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s.sock"))
        silent.listen()
        with pytest.raises(StateError):
            ask(Host(1, "", tmp_path / "s.sock"), {"op": "list"}, seconds=0.1)


def test_dead_sockets_are_removed(tmp_path):
    folder = tmp_path / "hosts"
    folder.mkdir()
    assert hosts(tmp_path / "nowhere") == []
    with socket.socket(socket.AF_UNIX) as dead, socket.socket(socket.AF_UNIX) as alive:
        dead.bind(str(folder / "1-dead.sock"))
        alive.bind(str(folder / "1-alive.sock"))
        alive.listen()
        dead.close()
        (folder / "noise.sock").write_text("")
        assert [host.path.name for host in hosts(tmp_path)] == ["1-alive.sock"]
        assert not (folder / "1-dead.sock").exists()
        assert hosts(tmp_path, known={folder / "1-alive.sock"}) == []


async def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "hosts").write_text("a file")
    with pytest.raises(StateError) as caught:
        await ControlServer(tmp_path, Answers()).start()
    assert caught.value.code == "state-unwritable"
