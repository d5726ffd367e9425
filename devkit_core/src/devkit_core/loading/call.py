"""One execution as middleware sees it: the call and its result."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Call", "Result"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call on its way to a plugin: `data` is its input, UTF-8 where `text`; `timeout` is in seconds."""

    plugin: str
    function: str
    data: bytes
    text: bool
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """What a plugin answered: `data`, UTF-8 where `text`."""

    data: bytes
    text: bool

    @property
    def value(self) -> str | bytes:
        """The answer as the plugin gave it, `str` or `bytes`."""
        return self.data.decode() if self.text else self.data
