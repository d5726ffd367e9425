"""What a library's file says of itself, read without loading it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Header", "exports", "read"]

_ELF_MACHINES = {3: "x86", 40: "ARM", 62: "x86-64", 183: "aarch64", 243: "RISC-V", 21: "ppc64", 22: "s390x"}
_ELF_KINDS = {1: "object file", 2: "program", 3: "library", 4: "core dump"}
_MACH_MACHINES = {7: "x86", 0x01000007: "x86-64", 12: "ARM", 0x0100000C: "aarch64"}
_MACH_KINDS = {1: "object file", 2: "program", 6: "library", 8: "library"}
_PE_MACHINES = {0x14C: "x86", 0x8664: "x86-64", 0x1C4: "ARM", 0xAA64: "aarch64"}
_LOAD, _INTERPRETER = 1, 3  # PT_LOAD, PT_INTERP
_DYNAMIC_SYMBOLS = 11  # SHT_DYNSYM
_SYMBOLS, _LONGEST = 1 << 20, 1024  # of a table that are looked at, and of a name


@dataclass(frozen=True, slots=True)
class Header:
    """A file that holds machine code: its `format` (ELF, Mach-O, PE), machine, and what it is.

    `machine` is `any` for a Mach-O file that holds several. `size` is the least number of bytes that the
    whole file must have, as far as the header says. `program` tells that an ELF file names an
    interpreter, as programs do that are also position-independent.
    """

    format: str
    machine: str
    bits: int
    kind: str
    size: int = 0
    program: bool = False

    def __str__(self) -> str:
        return f"{self.format} {self.machine} {self.bits}-bit {self.kind}"


def read(head: bytes) -> Header | None:
    """Return what the first 4096 bytes say, None where they are none of a known format."""
    try:
        if head.startswith(b"\x7fELF"):
            return _elf(head)
        if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
            machine, _, kind = struct.unpack_from("<3I", head, 4)
            named = _MACH_MACHINES.get(machine, f"machine {machine}")
            return Header("Mach-O", named, 64 if head[0] == 0xCF else 32, _MACH_KINDS.get(kind, "file"))
        if head.startswith(b"\xca\xfe\xba\xbe") and int.from_bytes(head[4:8], "big") < 32:  # else: Java's
            return Header("Mach-O", "any", 64, "library")
        if head.startswith(b"MZ"):
            return _pe(head)
    except (struct.error, IndexError):
        pass
    return None


def _elf(head: bytes) -> Header | None:
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack_from(f"{order}2H", head, 16)
    table, size, count = _table(head, wide, order, segments=True)
    end, program = 0, False
    for number in range(min(count, 256)):
        at = table + number * size
        if at + size > len(head):
            break
        tag = struct.unpack_from(f"{order}I", head, at)[0]
        offset, length = (
            struct.unpack_from(f"{order}Q16xQ", head, at + 8)
            if wide
            else struct.unpack_from(f"{order}I8xI", head, at + 4)
        )
        if tag == _LOAD:
            end = max(end, offset + length)
        program = program or tag == _INTERPRETER
    named = _ELF_MACHINES.get(machine, f"machine {machine}") + ("" if order == "<" else " (big endian)")
    return Header("ELF", named, 64 if wide else 32, _ELF_KINDS.get(kind, "file"), end, program)


def _table(head: bytes, wide: bool, order: str, *, segments: bool) -> tuple[int, int, int]:
    """Return where the table of segments, or of sections, begins, an entry's size, and their count."""
    starts = struct.unpack_from(f"{order}2Q" if wide else f"{order}2I", head, 32 if wide else 28)
    sizes = struct.unpack_from(f"{order}4H", head, 54 if wide else 42)
    return (starts[0], *sizes[:2]) if segments else (starts[1], *sizes[2:])


def _pe(head: bytes) -> Header | None:
    at = struct.unpack_from("<I", head, 60)[0]
    if head[at : at + 4] != b"PE\0\0":
        return None
    machine, flags = struct.unpack_from("<H16xH", head, at + 4)
    named = _PE_MACHINES.get(machine, f"machine {machine}")
    bits = 64 if machine in (0x8664, 0xAA64) else 32
    return Header("PE", named, bits, "library" if flags & 0x2000 else "program")


def exports(data: bytes) -> frozenset[str] | None:
    """Return the names that a whole ELF library defines; None where it doesn't say, or is none."""
    if not data.startswith(b"\x7fELF"):
        return None
    try:
        wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
        table, size, count = _table(data, wide, order, segments=False)
        section = f"{order}4xI{'4QI' if wide else '4II'}"
        sections = [struct.unpack_from(section, data, table + n * size) for n in range(count)]
        for kind, _, _, offset, length, link in sections:
            if kind == _DYNAMIC_SYMBOLS:
                start, room = sections[link][3:5]
                names = data[start : start + room]
                return frozenset(_defined(data[offset : offset + length], names, wide, order))
    except (struct.error, IndexError, ValueError, OverflowError):  # the last: an offset beyond any file
        pass
    return None


def _defined(table: bytes, names: bytes, wide: bool, order: str) -> list[str]:
    symbol = struct.Struct(f"{order}I2xH16x" if wide else f"{order}I10xH")
    whole = min(len(table) // symbol.size, _SYMBOLS) * symbol.size
    return [
        names[name : name + _LONGEST].split(b"\0", 1)[0].decode("utf-8", "replace")
        for name, section in symbol.iter_unpack(table[:whole])
        if section
    ]
