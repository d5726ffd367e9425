"""Memory that a host and one worker share."""

from __future__ import annotations

import fcntl
import mmap
import os

from devkit_core.protocol.memory import AREA

__all__ = ["WorkerPage"]

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class WorkerPage:
    """A page with what a worker is at, and behind it the rings for large payloads.

    The host makes and seals it, so that the worker can't shrink it under the host's reads. The caller closes
    `descriptor` once the worker has it.
    """

    def __init__(self) -> None:
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

    def cancel(self, number: int) -> None:
        """Name the call that the worker's code is to leave when it is interrupted."""
        self.memory[4:8] = number.to_bytes(4, "little")

    def give_back(self) -> None:
        """Let the system have the rings' memory, as nothing in it is needed any more."""
        self.memory.madvise(mmap.MADV_REMOVE, mmap.PAGESIZE, AREA - mmap.PAGESIZE)

    def close(self) -> None:
        """Unmap it, once nobody refers to it."""
        self.memory.close()
