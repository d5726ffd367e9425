"""The channel works with the transports of any event loop."""

import asyncio
import socket
from types import SimpleNamespace

from devkit_core.protocol.frames import Kind, encode
from devkit_core.workers.channel import Channel
from devkit_core.workers.pending import PendingCall


async def test_a_transport_needs_the_methods_not_the_class():
    """As uvloop's, which is no subclass of asyncio.Transport."""
    written = []
    channel = Channel(1 << 20, lambda kind, payload: None, lambda why: None, lambda: None)
    channel.connection_made(SimpleNamespace(write=written.append, abort=lambda: written.append(b"aborted")))
    channel.send(b"frame")
    channel.close()
    assert written == [b"frame", b"aborted"]


async def test_what_a_dead_worker_had_answered_is_read_though_a_write_fails_first():
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    channel = Channel(1 << 20, lambda kind, payload: None, ended.set_result, lambda: None)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    await channel.open(ours)
    calls = [PendingCall("one", 0, b"input", True, 60, loop) for _ in range(3)]
    channel.submit(calls[0])
    await asyncio.sleep(0)
    theirs.recv(65536)
    theirs.sendall(encode(Kind.RESULT, 3, 0, calls[0].id, b"answer"))
    theirs.close()
    for call in calls[1:]:  # before the loop has read
        channel.submit(call)
    assert await ended is None
    assert calls[0].result().value == "answer"
    assert channel.leave(None) == ([calls[1]], [calls[2]])
