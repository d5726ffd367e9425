"""Stops a plugin's code whose call was cancelled while it runs."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # less to touch than `signal` (zygote.py says why)
import mmap
import os
from collections.abc import Callable
from struct import Struct
from types import FrameType

__all__ = ["Cancelled", "watch"]

_CANCELLED = Struct("<4xI")  # behind the call that was begun last, in the page that host and worker share
_OWN = os.path.dirname(__file__)
_LIBRARY = os.path.join(os.path.dirname(os.__file__), "")


class Cancelled(BaseException):
    """Raised in a plugin's code where it runs, when nobody waits for its answer any more.

    It is no Exception, so that `except Exception` lets it pass. Code that catches it has half a second to
    return before its worker is ended.
    """


def watch(page: mmap.mmap, runs: Callable[[int, FrameType], bool], note: Callable[[int], object]) -> None:
    """Raise Cancelled in the code of a call that the host has cancelled.

    The host writes the call's id to the page and sends SIGURG, again and again until the call has ended.
    `runs` says whether the code in this frame belongs to that call. Nothing is raised in code of ours or
    below it, which may not be left halfway: `note` is called then, and the next signal may find the
    plugin's own. So no call pays for this, and a cancel that comes too late meets nobody.
    """
    raised = 0

    def look(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        (call,) = _CANCELLED.unpack_from(page)
        if call == raised:  # once is enough: what the code then does to tidy up is left alone
            return
        while frame is not None:
            file = frame.f_code.co_filename
            if os.path.dirname(file) == _OWN:
                if runs(call, frame):
                    note(call)
                return
            if not (file.startswith((_LIBRARY, "<frozen ")) and "site-packages" not in file):
                break
            frame = frame.f_back
        if frame is not None and runs(call, frame):
            raised = call
            raise Cancelled("the call was cancelled")

    _signal.signal(_signal.SIGURG, look)
