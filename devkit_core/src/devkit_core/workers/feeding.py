"""A call whose input is sent piece by piece, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from devkit_core.errors import ExecutionError
from devkit_core.protocol.frames import FRAME_PAYLOAD, Flag, Kind, encode
from devkit_core.protocol.handshake import STREAM_WINDOW
from devkit_core.workers.pending import StreamingCall

__all__ = ["FedCall"]

#: what each piece counts beside its bytes, so that small ones are bounded too
_PIECE = 256
_NEVER_AGAIN = 1 << 30  # attempts: what was sent of the input can't be sent to another worker


class FedCall(StreamingCall):
    """A call without an input of its own: `feed` sends the pieces, once it is on its way.

    No more is sent than the plugin has given credit for, so that a plugin that is slow holds the source up.
    """

    _id = 0
    _credit_left = STREAM_WINDOW

    @property
    def id(self) -> int:
        """Its number on the connection; the input follows as soon as it has one."""
        return self._id

    @id.setter
    def id(self, number: int) -> None:
        self._id = number
        if number:
            self.loop.call_soon_threadsafe(self._look)

    def carried(
        self, credit: Callable[[int, int], None], write: Callable[[bytes], None], inputs: Mapping[int, int]
    ) -> None:
        """Learn how to send the input, and by which number the function takes it."""
        super().carried(credit, write, inputs)
        self._write = write
        number = inputs.get(0)
        if number is None:  # as after a reload of changed code
            error = ExecutionError(
                f"`{self.plugin}` takes its input in pieces no more",
                code="input-not-in-pieces",
                plugin=self.plugin,
            )
            self.set_exception(error)
        else:
            self.function = number

    def credited(self, size: int) -> None:
        """Take the plugin's word that it has read so many bytes."""
        self._credit_left = min(STREAM_WINDOW, self._credit_left + size)
        self._look()

    def _look(self) -> None:
        if (room := self.__dict__.get("_room")) is not None:
            room.set()

    async def feed(self, pieces: AsyncIterator[tuple[bytes, bool]]) -> None:
        """Send the input; returns when all is sent, or the call has ended."""
        room = self._room = asyncio.Event()
        ended = self.notify

        def end() -> None:
            if ended is not None:
                ended()
            room.set()

        self.notify = end
        async for data, text in pieces:
            while not self.done() and (not self._id or self._credit_left <= 0):
                room.clear()
                await room.wait()
            if self.done():
                return
            self.attempts = _NEVER_AGAIN
            self._send(data, int(Flag.TEXT) if text else 0)
        while not self.done() and not self._id:
            room.clear()
            await room.wait()
        if not self.done():
            self.attempts = _NEVER_AGAIN
            self._write(encode(Kind.INPUT, Flag.END, 0, self._id))

    def _send(self, data: bytes, flags: int) -> None:
        self._credit_left -= len(data) + _PIECE
        if self.tally is not None:
            self.tally.streamed(size_in=len(data))
        view = memoryview(data)
        for at in range(0, max(len(data), 1), FRAME_PAYLOAD):
            last = Flag.ITEM if at + FRAME_PAYLOAD >= len(data) else 0
            self._write(encode(Kind.INPUT, flags | last, 0, self._id, view[at : at + FRAME_PAYLOAD]))
