"""What goes wrong in a plugin, as its host is told."""

from __future__ import annotations

import ast
import errno
import os
import resource
from typing import Any

from .cancelling import Cancelled

__all__ = ["Broken", "failure"]


class Broken(Exception):
    """A plugin, or an answer of it, that can't be used; `code` says how."""

    def __init__(self, code: str, message: str, hint: str | None = None, traceback: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.traceback = traceback


def failure(error: BaseException, path: str) -> dict[str, Any]:
    """Return what an exception of the plugin tells the host: code, kind, message, traceback, hint.

    The traceback begins at the plugin's first own frame and shows source lines.
    """
    if isinstance(error, Broken):
        return {
            "code": error.code,
            "message": str(error),
            "hint": error.hint,
            "traceback": error.traceback,
            "kind": "SystemExit" if error.traceback else "",
        }
    if isinstance(error, Cancelled):
        return {"code": "cancelled", "message": str(error)}
    if isinstance(error, MemoryError):
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        message = f"the plugin got no more memory, with {used} MiB in use at most"
        return {"code": "memory-limit", "kind": "MemoryError", "message": message}
    import traceback

    own = os.path.dirname(__file__)
    frames = error.__traceback__
    while frames is not None and (
        os.path.dirname(file := frames.tb_frame.f_code.co_filename) == own or file == ast.__file__
    ):
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:  # an exception whose own text raises must not hide the failure
        text = f"{type(error).__name__}\n"
    try:
        message = str(error)
    except Exception:
        message = "(its text can't be shown)"
    return {
        "code": _limit(error) or "plugin-raised",
        "kind": type(error).__name__,
        "message": message,
        "traceback": text,
    }


def _limit(error: BaseException) -> str | None:
    """Return the code of the limit that an exception shows, as the system tells it."""
    if isinstance(error, OSError):
        return {errno.EMFILE: "open-files-limit", errno.EFBIG: "scratch-limit"}.get(error.errno or 0)
    starved = type(error) is RuntimeError and str(error) == "can't start new thread"
    return "thread-limit" if starved else None
