"""What a plugin prints, cut into lines, within a limit."""

from __future__ import annotations

from devkit_core.protocol.allowance import Allowance

__all__ = ["Lines"]

_LINE = 8 * 1024  # bytes of a line that are kept
_BURST = 4  # seconds' worth that may come at once


class Lines:
    """Cuts one stream's bytes into lines, `kb` KiB a second; `dropped` counts the bytes that were over that.

    A stream `beside` another shares what that is allowed.
    """

    def __init__(self, kb: int, beside: Lines | None = None) -> None:
        rate = kb * 1024
        self._allowance: Allowance = (
            beside._allowance if beside is not None else Allowance(rate, _BURST * rate)
        )
        self._rest = b""
        self.dropped = 0

    def take(self, data: bytes) -> list[str]:
        """Return the lines that are whole now."""
        if len(data) > (left := self._allowance.left()):
            data = self._fitting(data, left)
        self._allowance.spend(len(data))
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _LINE:
            lines.append(self._rest)
            self._rest = b""
        return [_text(line) for line in lines]

    def _fitting(self, data: bytes, left: float) -> bytes:
        """Return the whole lines that are allowed, and count the rest as dropped."""
        fits = data.rfind(b"\n", 0, max(0, int(left))) + 1
        self.dropped += len(data) - fits
        if not fits:
            self.dropped += len(self._rest)
            self._rest = b""
        return data[:fits]

    def end(self) -> list[str]:
        """Return what is there without an end of its line."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest else []

    def take_dropped(self) -> int:
        """Return how many bytes were dropped since this was asked."""
        count, self.dropped = self.dropped, 0
        return count


def _text(line: bytes) -> str:
    text = line[:_LINE].decode("utf-8", "replace").rstrip("\r")
    return text + (" …" if len(line) > _LINE else "")
