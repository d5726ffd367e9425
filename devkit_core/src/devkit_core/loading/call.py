"""One execution as middleware sees it: the call and its result."""

from __future__ import annotations

from dataclasses import dataclass

from devkit_core.protocol.messages import Result

__all__ = ["Call", "Result"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call on its way to a plugin: `data` is its input, UTF-8 where `text`; `timeout` is in seconds."""

    plugin: str
    function: str
    data: bytes
    text: bool
    timeout: float | None
