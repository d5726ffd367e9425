"""Inputs that come in pieces, as a plugin's function takes them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from . import frames
from .frames import Frame, encode

__all__ = ["Incoming", "Wish", "annotation", "piecewise", "streamed"]

#: what each piece counts beside its bytes
_PIECE = 256
_WANTED = re.compile(r"(?:[\w.]+\.)?(Async)?(?:Iterator|Iterable)\[(str|bytes)\]")


class Wish(NamedTuple):
    """How a function wants its input: as text or bytes, by `for` or, in an event loop, by `async for`."""

    text: bool
    by_loop: bool


def annotation(function: Any) -> Any:
    """Return the annotation of a function's first argument, None where there is none."""
    code = getattr(function, "__code__", None)
    # a bound method's first argument is the object
    first = 1 if getattr(function, "__self__", None) is not None else 0
    names = code.co_varnames[first : first + 1] if code else ()
    return getattr(function, "__annotations__", {}).get(names[0]) if names else None


def streamed(function: Any) -> Wish | None:
    """Return how a function's annotation asks for its input piece by piece, or None."""
    wanted = annotation(function)
    found = _WANTED.fullmatch(wanted if isinstance(wanted, str) else repr(wanted))
    return Wish(found[2] == "str", found[1] is not None) if found else None


def piecewise(
    function: Callable[[Any], Any], wish: Wish, decode: Callable[[bytes], str]
) -> Callable[[Any, bool], Any]:
    """Give a function its input piece by piece; a whole one is the only piece."""
    shown: Callable[[bytes], Any] = decode if wish.text else bytes

    def call(data: bytes | Incoming, text: bool) -> Any:
        if wish.by_loop:
            return function(later(data))
        pieces = data.each() if isinstance(data, Incoming) else iter((data,))
        return function(shown(piece) for piece in pieces)

    async def later(data: bytes | Incoming) -> AsyncIterator[Any]:
        if isinstance(data, Incoming):
            async for piece in data.each_async():
                yield shown(piece)
        else:
            yield shown(data)

    return call


class Incoming:
    """The pieces of one call's input: `take` gets its frames, whoever reads gets the pieces.

    `send` writes frames; a piece that was read gives the host credit for as many bytes. `wait` reads more,
    in a worker without an event loop, and raises where the call was cancelled.
    """

    def __init__(
        self, call: int, send: Callable[[bytes], None], wait: Callable[[int], None] | None = None
    ) -> None:
        self.call = call
        self._send = send
        self._wait = wait
        self._pieces: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._ended = False
        self._wake: Any = None  # a future of whoever waits in an event loop

    def take(self, frame: Frame) -> None:
        """Take one of its frames."""
        _, flags, _, _, payload = frame
        if flags & frames.ITEM or payload:
            self._parts.append(payload)
        if flags & frames.ITEM:
            self._pieces.append(b"".join(self._parts))
            self._parts.clear()
        self._ended = self._ended or bool(flags & frames.END)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _next(self) -> bytes:
        piece = self._pieces.popleft()
        if not self._ended:
            size = len(piece) + _PIECE
            self._send(encode(frames.CREDIT, 0, 0, self.call, size.to_bytes(4, "big")))
        return piece

    def each(self) -> Iterator[bytes]:
        """Yield the pieces as they come."""
        assert self._wait is not None
        while True:
            while self._pieces:
                yield self._next()
            if self._ended:
                return
            self._wait(self.call)

    async def each_async(self) -> AsyncIterator[bytes]:
        """Yield the pieces as they come."""
        import asyncio

        while True:
            while self._pieces:
                yield self._next()
            if self._ended:
                return
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
