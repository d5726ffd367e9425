"""Memory that a host and one worker share."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys

from devkit_core.protocol.memory import AREA

__all__ = ["WorkerPage"]

#: where are: how many bytes of answers wait in the worker and how often it wrote some; and they themselves
_STATE, _BEGIN = 16, 256
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class WorkerPage:
    """A page with what a worker is at, and behind it the rings for large payloads.

    The host makes and seals it, so that the worker can't shrink it under the host's reads. The caller closes
    `descriptor` once the worker has it.
    """

    def __init__(self) -> None:
        self._state = b""
        self.descriptor = os.memfd_create("devkit-progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, AREA)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
            self.memory = mmap.mmap(self.descriptor, AREA)
        except BaseException:
            os.close(self.descriptor)
            raise

    @property
    def begun(self) -> int:
        """The call that the worker began last."""
        return int.from_bytes(self.memory[:4], "little")

    def unwritten(self, *, ended: bool = False) -> bytes:
        """Return the answers that the worker keeps since this was asked last, where there are any.

        What has lain there for a while is whole; so is all where the worker has `ended`.
        """
        state, before = self.memory[_STATE : _STATE + 8], self._state
        self._state = state
        used = min(int.from_bytes(state[:4], sys.byteorder), mmap.PAGESIZE - _BEGIN)
        if not used or not (ended or state == before):
            return b""
        frames = self.memory[_BEGIN : _BEGIN + used]
        return frames if ended or self.memory[_STATE : _STATE + 8] == state else b""

    def cancel(self, number: int) -> None:
        """Name the call that the worker's code is to leave when it is interrupted."""
        self.memory[4:8] = number.to_bytes(4, "little")

    def give_back(self) -> None:
        """Let the system have the rings' memory, as nothing in it is needed any more."""
        self.memory.madvise(mmap.MADV_REMOVE, mmap.PAGESIZE, AREA - mmap.PAGESIZE)

    def close(self) -> None:
        """Unmap it, once nobody refers to it."""
        with contextlib.suppress(BufferError):  # somebody does, and it goes with the last of them
            self.memory.close()
