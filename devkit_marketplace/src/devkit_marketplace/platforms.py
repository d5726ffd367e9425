"""Which machines a package is for."""

from __future__ import annotations

import platform

__all__ = ["ANY", "here", "of_program"]

ANY = "any"
_MAGIC = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xca\xfe\xba\xbe")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def here() -> str:
    """Return this machine's platform, as `linux-x86_64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"


def of_program(head: bytes) -> str:
    """Return the platform of a file by its first bytes: this machine's for native code, or `any`."""
    return here() if head.startswith(_MAGIC) else ANY
