"""One execution as middleware sees it: the call and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from devkit_core.protocol.messages import Result

if TYPE_CHECKING:
    from devkit_core.workers.host_calls import Link

__all__ = ["Call", "Result"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call on its way to a plugin: `data` is its input, UTF-8 where `text`; `timeout` is in seconds.

    `link` is there where another plugin calls. `trace` is the W3C trace context (`traceparent`) that the
    plugin is given, which middleware may set.
    """

    plugin: str
    function: str
    data: bytes
    text: bool
    timeout: float | None
    link: Link | None = None
    trace: str = ""
