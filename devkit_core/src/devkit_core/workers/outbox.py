"""What goes out on a channel that nobody may block on."""

from __future__ import annotations

import socket

__all__ = ["Outbox"]

_NOW = socket.MSG_DONTWAIT


class Outbox:
    """Writes as much as the socket takes; `kept` is the rest, always the same object.

    While it is `corked` all is kept. Errors are nobody's here: reading shows the end of a channel.
    """

    __slots__ = ("corked", "kept", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.kept = bytearray()
        self.corked = False

    def write(self, data: bytes) -> None:
        """Write, behind what is kept."""
        if self.kept or self.corked or self.sock is None:
            self.kept += data
            return
        try:
            count = self.sock.send(data, _NOW)
        except BlockingIOError:
            count = 0
        except OSError:
            return
        if count < len(data):
            self.kept += memoryview(data)[count:]

    def flush(self) -> None:
        """Write what is kept."""
        if not self.kept or self.sock is None:
            return
        try:
            count = self.sock.send(self.kept, _NOW)
        except BlockingIOError:
            return
        except OSError:
            count = len(self.kept)
        del self.kept[:count]

    def clear(self) -> None:
        """Drop what is kept."""
        self.kept.clear()
