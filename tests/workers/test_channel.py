"""The channel works with the transports of any event loop."""

from types import SimpleNamespace

from devkit_core.workers.channel import Channel


async def test_a_transport_needs_the_methods_not_the_class():
    """As uvloop's, which is no subclass of asyncio.Transport."""
    written = []
    channel = Channel(1 << 20, lambda kind, payload: None, lambda why: None)
    channel.connection_made(SimpleNamespace(write=written.append, abort=lambda: written.append(b"aborted")))
    channel.send(b"frame")
    channel.close()
    assert written == [b"frame", b"aborted"]
