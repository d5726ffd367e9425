"""What one plugin prints, within limits, and what was dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devkit_core.model.limits import how_to_raise
from devkit_core.protocol.allowance import Allowance
from devkit_core.sandbox.plan import Limits

__all__ = ["PluginLog"]

_BURST = 4  # seconds' worth of lines that may come at once
_EVERY = 1.0  # seconds between what is said of a flood


class PluginLog:
    """Passes a plugin's lines on, so many a second; what is dropped is told in a line and by an event.

    `write` takes the lines, `tell` the facts of the event `output-dropped`. All calls are made in the
    event loop's thread.
    """

    def __init__(
        self, plugin: str, limits: Limits, write: Callable[[str, str], None], tell: Callable[..., object]
    ) -> None:
        self._plugin = plugin
        self._allowed = {"output_kb": limits.output_kb, "log_lines": limits.log_lines}
        self._write = write
        self._tell = tell
        self._allowance = Allowance(limits.log_lines, _BURST * limits.log_lines)
        self._lost = 0
        self._reporting: asyncio.TimerHandle | None = None

    def __call__(self, stream: str, text: str) -> None:
        if stream == "note":
            self._write(stream, text)
            return
        if not self._allowance.take(1):
            self._lost += 1
            if self._reporting is None:
                self._reporting = asyncio.get_running_loop().call_later(_EVERY, self.flush)
            return
        self._write(stream, text)

    def dropped(self, limit: str, count: int) -> None:
        """Tell that so many bytes, or lines, over a limit are gone."""
        unit, per = ("lines", "lines") if limit == "log_lines" else ("bytes", "KiB")
        allowed = self._allowed[limit]
        self._write(
            "stderr",
            f"[{count:,} {unit} of output dropped: over {allowed:,} {per} a second; "
            f"{how_to_raise(limit, self._plugin)}]",
        )
        self._tell(limit=limit, dropped=count, allowed=allowed)

    def flush(self) -> None:
        """Tell of the lines that were dropped; called once a second while there are such, and at the end."""
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None
            count, self._lost = self._lost, 0
            self.dropped("log_lines", count)
