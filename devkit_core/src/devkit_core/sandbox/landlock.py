"""Landlock's rights, and which of them each ABI handles."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["LATEST", "READ", "READ_EXECUTE", "READ_WRITE", "WRITE", "Files", "Ruleset", "ruleset"]

#: the newest ABI whose rights are known here; a newer kernel is used as this one
LATEST = 7


class Files(enum.IntFlag):
    """LANDLOCK_ACCESS_FS_*: what can be done with files."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13  # ABI 2: link or rename into another folder
    TRUNCATE = 1 << 14  # ABI 3
    IOCTL_DEV = 1 << 15  # ABI 5


_FIRST = Files(0x1FFF)
_NET_BIND_AND_CONNECT = 0b11  # LANDLOCK_ACCESS_NET_BIND_TCP, _CONNECT_TCP: ABI 4
_SCOPES = 0b11  # LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, _SIGNAL: ABI 6

READ = Files.READ_FILE | Files.READ_DIR
READ_EXECUTE = READ | Files.EXECUTE
# No sockets, pipes or devices: a file that others open must be a plain one.
WRITE = (
    Files.WRITE_FILE
    | Files.TRUNCATE
    | Files.MAKE_REG
    | Files.MAKE_DIR
    | Files.MAKE_SYM
    | Files.REMOVE_FILE
    | Files.REMOVE_DIR
    | Files.REFER
)
READ_WRITE = READ | WRITE


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What a ruleset of one ABI handles, so denies unless a rule allows; the three fields of its struct."""

    abi: int
    files: Files
    net: int
    scoped: int

    @property
    def struct_size(self) -> int:
        """Bytes of `struct landlock_ruleset_attr` that this ABI takes."""
        return 8 if self.abi < 4 else 16 if self.abi < 6 else 24


def ruleset(abi: int) -> Ruleset:
    """Return everything that an ABI can handle; ValueError below 1, where there is no Landlock."""
    if abi < 1:
        raise ValueError("there is no Landlock below ABI 1")
    abi = min(abi, LATEST)
    files = _FIRST
    files |= Files.REFER if abi >= 2 else Files(0)
    files |= Files.TRUNCATE if abi >= 3 else Files(0)
    files |= Files.IOCTL_DEV if abi >= 5 else Files(0)
    return Ruleset(abi, files, _NET_BIND_AND_CONNECT if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
