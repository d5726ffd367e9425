"""Sends what `logging` gets to the host."""

from __future__ import annotations

import logging

from .devkit_plugin import log

__all__ = ["LogHandler"]

_LEVELS = ((logging.ERROR, log.error), (logging.WARNING, log.warning), (logging.INFO, log.info))


class LogHandler(logging.Handler):
    """A handler: `logging.basicConfig(handlers=[LogHandler()], level="INFO")`.

    It has no use for a formatter: level and logger are told beside the message, and the host notes the time.
    """

    _plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, at its level."""
        try:
            say = next((say for number, say in _LEVELS if record.levelno >= number), log.debug)
            say(self._plain.format(record), logger=record.name)
        except Exception:
            self.handleError(record)
