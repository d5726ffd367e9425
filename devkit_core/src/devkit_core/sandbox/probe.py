"""What this kernel can enforce, right by right."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from dataclasses import dataclass

from devkit_core.sandbox.landlock import LATEST
from devkit_core.sandbox.seccomp import supported

__all__ = ["RIGHTS", "Enforcement", "enforcement", "probe"]

#: what has to be enforced, and what it means for a plugin that wasn't granted it
RIGHTS: dict[str, str] = {
    "files-read": "reads only its own folder and what was granted",
    "files-write": "writes only its scratch folder and what was granted",
    "files-metadata": "changes no file's mode, owner, times or attributes",
    "network": "opens no connection but through the host, and listens nowhere",
    "spawn": "starts no other program",
    "signals": "signals nobody but itself",
    "ptrace": "looks into no other process",
    "memory": "stays within its memory",
    "capabilities": "has no capability, root or not, and gains none",
}
_CREATE_RULESET = 444
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_RULESET_VERSION = 1 << 0  # LANDLOCK_CREATE_RULESET_VERSION
_GET_ACTION_AVAIL, _RET_ERRNO = 2, 0x00050000


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What enforces each right here; a right that maps to None isn't enforced.

    `landlock_abi` is 0 where there is none, `machine` the kernel's name of the architecture.
    """

    landlock_abi: int
    seccomp: bool
    machine: str
    by: dict[str, str | None]
    reason: str | None = None

    def missing(self) -> tuple[str, ...]:
        """Return the rights that nothing enforces here."""
        return tuple(right for right, means in self.by.items() if means is None)

    def as_rows(self) -> list[tuple[str, str, str]]:
        """Return (right, what enforces it or `nothing`, what that means), for `devkit doctor`."""
        return [(right, self.by[right] or "nothing", RIGHTS[right]) for right in RIGHTS]


def enforcement(
    landlock_abi: int, seccomp: bool, machine: str, *, linux: bool = True, reason: str | None = None
) -> Enforcement:
    """Return what a kernel of these features enforces; the tests simulate every level with it."""
    abi = landlock_abi if linux else 0
    filtered = seccomp and linux and supported(machine)
    landlock = f"Landlock ABI {abi}" if abi else None
    filter_ = "seccomp" if filtered else None
    # Below ABI 3 a file can be emptied without the right to write it; there the filter stands in.
    writes = landlock if abi >= 3 else landlock and filter_ and f"{landlock} and seccomp"
    signals = " and ".join(x for x in (landlock if abi >= 6 else None, filter_) if x) or None
    ptrace = " and ".join(x for x in (landlock, filter_) if x) or None
    by: dict[str, str | None] = {
        "files-read": landlock,
        "files-write": writes,
        "files-metadata": filter_,
        "network": filter_,
        "spawn": filter_,
        "signals": signals,
        "ptrace": ptrace,
        "memory": filter_ and "RLIMIT_DATA and seccomp",
        "capabilities": "no_new_privs and capset" if linux else None,
    }
    return Enforcement(abi, filtered, machine, by, reason)


def probe() -> Enforcement:
    """Ask this kernel what it can enforce; changes nothing, about 50 µs, cached by the caller."""
    machine = os.uname().machine if hasattr(os, "uname") else ""
    if sys.platform != "linux":
        return enforcement(
            0, False, machine, linux=False, reason=f"{sys.platform} has no Landlock or seccomp"
        )
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION)
    reasons = []
    if abi < 0:
        reasons.append(f"Landlock: {_why(ctypes.get_errno())}")
    seccomp = machine in _SECCOMP and _has_seccomp(libc, _SECCOMP[machine])
    if not seccomp:
        known = machine in _SECCOMP
        reasons.append(f"seccomp: {_why(ctypes.get_errno()) if known else f'no table for {machine}'}")
    return enforcement(max(0, min(abi, LATEST)), seccomp, machine, reason="; ".join(reasons) or None)


def _has_seccomp(libc: ctypes.CDLL, number: int) -> bool:
    action = ctypes.c_uint32(_RET_ERRNO)
    return bool(libc.syscall(number, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def _why(number: int) -> str:
    return {
        errno.ENOSYS: "not in this kernel",
        errno.EOPNOTSUPP: "built into this kernel, switched off when it started",
        errno.EPERM: "refused by a filter around this process, as in some containers",
    }.get(number, os.strerror(number))
