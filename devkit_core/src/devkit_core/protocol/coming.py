"""What is here of an answer that takes more than one frame."""

from __future__ import annotations

__all__ = ["Coming"]

_SMALL = 16 * 1024  # bytes of a part that is not worth an object of its own


class Coming:
    """The parts of one answer, or of one item of a stream.

    However small the frames are, it takes little more memory than their bytes.
    """

    __slots__ = ("_parts", "ahead", "item", "size")

    def __init__(self) -> None:
        self._parts: list[bytes | bytearray] = []
        self.size = 0
        self.item = 0  # bytes of the item that is coming
        self.ahead = 0  # bytes of items that were not credited

    def add(self, payload: bytes) -> None:
        """Take one part."""
        self.size += len(payload)
        self.item += len(payload)
        if len(payload) >= _SMALL:
            self._parts.append(payload)
        elif self._parts and isinstance(last := self._parts[-1], bytearray):
            last += payload
        else:
            self._parts.append(bytearray(payload))

    def take(self) -> bytes:
        """Return the parts as one, and forget them."""
        whole = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return whole
