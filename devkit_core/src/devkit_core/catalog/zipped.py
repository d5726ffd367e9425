"""Reads zip files strictly: every byte belongs to one entry, told once."""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from devkit_core.catalog.names import Bounds
from devkit_core.catalog.tarball import Member, ambiguous, check_ratio, damaged, decoded, special, too_large
from devkit_core.errors import ArchiveRefused

__all__ = ["read_zip"]

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_CHUNK = 1 << 16
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_LATE_SIZES = 1 << 3  # sizes and checksum stand behind the data
_UTF8 = 1 << 11
_KNOWN = 0b110 | _LATE_SIZES | _UTF8
#: extra fields that say when and by whom: times, owners, Java's mark
_HARMLESS = frozenset([0x5455, 0x7875, 0x5855, 0x7855, 0x000A, 0xCAFE])
_UNIX = (3, 19)  # systems whose attributes hold a Unix mode


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    text: str
    folder: bool
    executable: bool
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def read_zip(file: BinaryIO, bounds: Bounds) -> Iterator[Member]:
    """Go through a zip file's entries in the order of their data. Raises ArchiveRefused.

    The file has to be covered without gap or overlap: entry after entry, the directory, one end record.
    Local headers say what the directory says. Zip64, encryption and parts aren't taken.
    """
    size = file.seek(0, 2)
    start, length, count = _end(file, size)
    if count > bounds.entries:
        raise too_large(f"it has more than {bounds.entries} entries")
    entries = sorted(_directory(_at(file, start, length), count), key=lambda each: each.offset)
    position = came_out = 0
    for entry in entries:
        if entry.offset != position:
            raise ambiguous("its entries overlap, or something stands between them")
        data = position + _local(file, entry)
        if data + entry.packed > start:
            raise damaged("an entry goes on beyond the directory")
        came_out += entry.size
        check_ratio(came_out, data + entry.packed, bounds)
        yield Member(entry.text, entry.folder, entry.executable, entry.size, _content(file, entry, data))
        position = data + entry.packed + _descriptor(file, entry, data + entry.packed)
    if position != start:
        raise ambiguous("something stands between the last entry and the directory")


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        raise damaged("the zip file is cut short")
    return data


def _end(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return where the directory starts, its length and its number of entries."""
    tail = _at(file, max(0, size - _END.size - 0xFFFF), min(size, _END.size + 0xFFFF))
    found = []
    at = tail.rfind(b"PK\5\6")
    while at >= 0:
        if len(tail) - at >= _END.size and len(tail) - at == _END.size + _END.unpack_from(tail, at)[7]:
            found.append(at)
        at = tail.rfind(b"PK\5\6", 0, at)
    if not found:
        raise damaged("there is no end record, or something follows it")
    at = found[0]
    if len(found) > 1 or b"PK\5\6" in tail[at + 4 :]:
        raise ambiguous("there are two end records")
    _, disk, first_disk, here, count, length, start, _ = _END.unpack_from(tail, at)
    if 0xFFFF in (disk, here, count) or 0xFFFFFFFF in (length, start):
        raise ambiguous("it is a zip64 file, which a package never needs to be")
    if disk or first_disk or here != count:
        raise ambiguous("it is one part of several")
    if start + length != size - len(tail) + at:
        raise ambiguous("its directory isn't right before its end record")
    return start, length, count


def _directory(data: bytes, count: int) -> Iterator[_Entry]:
    at = 0
    for _ in range(count):
        if len(data) - at < _CENTRAL.size:
            raise damaged("its directory is cut short")
        fields = _CENTRAL.unpack_from(data, at)
        signature, made_by, _, flags, method, _, _, crc, packed, size = fields[:10]
        name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
        end = at + _CENTRAL.size + name_length + extra_length + comment_length
        if signature != b"PK\1\2" or end > len(data):
            raise damaged("its directory is damaged")
        name = data[at + _CENTRAL.size :][:name_length]
        _check_extra(data[at + _CENTRAL.size + name_length :][:extra_length])
        text = _name(name, flags)
        if flags & _ENCRYPTED:
            raise special(text, "encrypted")
        if flags & ~_KNOWN or method not in (0, 8):
            raise ArchiveRefused(
                f"{text[:120]!r} is packed in a way that isn't taken (method {method}, flags {flags:#x})",
                code="archive-unknown",
                hint="Pack it with plain `zip`: stored or deflated.",
            )
        if disk or 0xFFFFFFFF in (packed, size, offset):
            raise ambiguous("it is one part of several, or a zip64 file")
        if method == 0 and packed != size:
            raise ambiguous(f"{text[:120]!r} is stored, and has two sizes")
        folder, executable = _mode(text, made_by >> 8, attributes)
        if folder and (size or crc):
            raise ambiguous(f"the folder {text[:120]!r} has content")
        text = text.removesuffix("/") if folder else text
        yield _Entry(name, text, folder, executable, flags, method, crc, packed, size, offset)
        at = end
    if at != len(data):
        raise ambiguous("its directory has more than the end record says")


def _name(name: bytes, flags: int) -> str:
    if not flags & _UTF8 and not name.isascii():
        raise ambiguous(f"the name {name[:120]!r} doesn't say how it is written")
    return decoded(name)


def _mode(name: str, system: int, attributes: int) -> tuple[bool, bool]:
    """Return whether an entry is a folder, and executable."""
    folder = name.endswith("/")
    mode = attributes >> 16 if system in _UNIX else 0
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise special(name, "a symbolic link" if kind == stat.S_IFLNK else "a special file")
    if (kind == stat.S_IFDIR and not folder) or (kind == stat.S_IFREG and folder):
        raise ambiguous(f"{name[:120]!r} is a folder by its name or by its mode, not by both")
    if attributes & 0x10 and not folder:
        raise ambiguous(f"{name[:120]!r} is marked as a folder and not named as one")
    return folder, bool(mode & 0o100) and not folder


def _check_extra(extra: bytes) -> None:
    at = 0
    while at < len(extra):
        if len(extra) - at < 4:
            raise damaged("an extra field is cut short")
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4 + length
        if at > len(extra):
            raise damaged("an extra field is cut short")
        if kind not in _HARMLESS:
            raise ambiguous(f"an entry has an extra field that isn't taken ({kind:#06x})")


def _local(file: BinaryIO, entry: _Entry) -> int:
    """Return the length of an entry's local header, which has to say what the directory says."""
    fields = _LOCAL.unpack(_at(file, entry.offset, _LOCAL.size))
    signature, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields
    if signature != b"PK\3\4":
        raise damaged("an entry has no local header")
    rest = _at(file, entry.offset + _LOCAL.size, name_length + extra_length)
    _check_extra(rest[name_length:])
    sizes = (crc, packed, size)
    same = sizes == (entry.crc, entry.packed, entry.size)
    late = flags & _LATE_SIZES and sizes == (0, 0, 0)
    if rest[:name_length] != entry.name or (flags, method) != (entry.flags, entry.method):
        raise ambiguous(f"{entry.text[:120]!r} has another name or form in its local header")
    if not (same or late):
        raise ambiguous(f"{entry.text[:120]!r} has other sizes in its local header")
    return _LOCAL.size + len(rest)


def _descriptor(file: BinaryIO, entry: _Entry, at: int) -> int:
    """Return the length of what stands behind an entry's data: its sizes once more, or nothing."""
    if not entry.flags & _LATE_SIZES:
        return 0
    expected = struct.pack("<3L", entry.crc, entry.packed, entry.size)
    file.seek(at)
    found = file.read(16)
    if found[:4] == b"PK\7\x08" and found[4:] == expected:
        return 16
    if found[:12] == expected:
        return 12
    raise ambiguous(f"{entry.text[:120]!r} has other sizes behind its data")


def _content(file: BinaryIO, entry: _Entry, at: int) -> Iterator[bytes]:
    left, total, crc = entry.packed, 0, 0
    inflater = zlib.decompressobj(-15) if entry.method == 8 else None
    pending = b""
    while (inflater is None and left) or (inflater is not None and not inflater.eof):
        if not pending:
            pending = _at(file, at, min(left, _CHUNK))
            at += len(pending)
            left -= len(pending)
            if not pending:
                raise damaged(f"{entry.text[:120]!r} is cut short")
        out, pending = (pending, b"") if inflater is None else _inflated(inflater, pending, entry)
        total += len(out)
        if total > entry.size:
            raise ambiguous(f"{entry.text[:120]!r} has more content than it says")
        crc = zlib.crc32(out, crc)
        if out:
            yield out
    if left or pending or (inflater is not None and inflater.unused_data):
        raise ambiguous(f"{entry.text[:120]!r} ends before its data does")
    if total != entry.size or crc != entry.crc:
        raise damaged(f"{entry.text[:120]!r} is damaged: its size or checksum doesn't hold")


def _inflated(inflater: zlib._Decompress, data: bytes, entry: _Entry) -> tuple[bytes, bytes]:
    try:
        out = inflater.decompress(data, _CHUNK)
    except zlib.error as error:
        raise damaged(f"{entry.text[:120]!r} is damaged ({error})") from None
    return out, inflater.unconsumed_tail
