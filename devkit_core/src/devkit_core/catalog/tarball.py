"""Reads tar streams strictly: plain files and folders, told one way."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from devkit_core.catalog.names import Bounds
from devkit_core.errors import ArchiveRefused

__all__ = [
    "Inflated",
    "Member",
    "ambiguous",
    "check_ratio",
    "damaged",
    "decoded",
    "read_tar",
    "special",
    "too_large",
]

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_CHUNK = 1 << 16
_HEADERS = 1 << 16  # bytes of one extended header
_PADDING = 1 << 20  # bytes after the end, which a large blocking factor explains
_OCTAL = re.compile(rb"[0-7]+")
_LENGTH = re.compile(rb"[1-9][0-9]{0,5}")
_HARMLESS = re.compile(
    r"path|comment|[amc]time|[ug]id|[ug]name|(LIBARCHIVE|SCHILY)\.xattr\..+|LIBARCHIVE\.creationtime"
    r"|SCHILY\.(dev|ino|nlink|fflags)"
)
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a fifo",
    b"K": "a link with a long name",
    b"S": "a sparse file",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive; its `chunks` have to be read to the end before the next is asked for."""

    name: str
    folder: bool
    executable: bool
    size: int
    chunks: Iterator[bytes]


class Inflated:
    """A gzip file's content, decompressed bit by bit: one stream, nothing after it, within the ratio."""

    def __init__(self, file: BinaryIO, bounds: Bounds) -> None:
        self._file = file
        self._bounds = bounds
        self._zlib = zlib.decompressobj(31)
        self._pending = b""
        self._came_in = 0
        self._came_out = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; nothing at the end. Raises ArchiveRefused."""
        while not self._zlib.eof:
            if not self._pending:
                self._pending = self._file.read(_CHUNK)
                self._came_in += len(self._pending)
                if not self._pending:
                    raise damaged("the gzip stream is cut short")
            try:
                out = self._zlib.decompress(self._pending, size)
            except zlib.error as error:
                raise damaged(f"the gzip stream is damaged ({error})") from None
            self._pending = self._zlib.unconsumed_tail
            self._came_out += len(out)
            check_ratio(self._came_out, self._came_in - len(self._pending), self._bounds)
            if out:
                return out
        if self._zlib.unused_data or self._file.read(1):
            raise ambiguous("something follows the end of the gzip stream")
        return b""


def read_tar(read: Callable[[int], bytes], bounds: Bounds) -> Iterator[Member]:
    """Go through a tar stream's entries; `read(n)` gives at most n bytes. Raises ArchiveRefused.

    Takes what `tar`, `git archive` and Python write for files and folders: ustar, GNU's long names, and
    pax headers with a path. All else is refused, and so is whatever two readers could read differently.
    """
    return _Tar(read, bounds).members()


class _Tar:
    def __init__(self, read: Callable[[int], bytes], bounds: Bounds) -> None:
        self._read = read
        self._bounds = bounds
        self._headers = 0

    def members(self) -> Iterator[Member]:
        long_name: str | None = None
        extended = False
        while (block := self._exact(_BLOCK)) != _ZEROS:
            self._headers += 1
            if self._headers > 2 * self._bounds.entries:
                raise too_large(f"it has more than {self._bounds.entries} entries")
            kind, name, size, executable = _header(block)
            if kind in (b"x", b"L", b"g"):
                if extended or (kind == b"g" and self._headers > 1):
                    raise ambiguous("two extended headers stand before one entry")
                if size > _HEADERS:
                    raise too_large("an extended header has more than 64 KiB")
                content = b"".join(self._content(size))
                long_name = _text(content) if kind == b"L" else _pax(content, everywhere=kind == b"g")
                extended = kind != b"g"
                continue
            if kind not in (b"0", b"\0", b"5"):
                raise special(long_name or name, _KINDS.get(kind, f"an entry of type {kind!r}"))
            name, long_name, extended = long_name or name, None, False
            folder = kind == b"5"
            if folder:
                name = name.removesuffix("/")
                if size:
                    raise ambiguous(f"the folder {name[:120]!r} has content")
            elif name.endswith("/"):
                raise ambiguous(f"the file {name[:120]!r} is named as a folder is")
            yield Member(name, folder, executable, size, self._content(size))
        if extended:
            raise ambiguous("the last extended header belongs to no entry")
        self._end()

    def _exact(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self._read(min(size, _CHUNK))
            if not piece:
                raise damaged("the tar stream is cut short")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            piece = self._exact(min(left, _CHUNK))
            left -= len(piece)
            yield piece
        if any(self._exact(-size % _BLOCK)):
            raise ambiguous("something stands in the padding between two entries")

    def _end(self) -> None:
        """Read what follows the first block of zeros: a second one, and zeros up to the blocking factor."""
        if self._exact(_BLOCK) != _ZEROS:
            raise ambiguous("one block of zeros stands between entries")
        total = 0
        while rest := self._read(_CHUNK):
            total += len(rest)
            if any(rest) or total > _PADDING:
                raise ambiguous("something follows the end of the tar stream")


def _header(block: bytes) -> tuple[bytes, str, int, bool]:
    """Return an entry's type, name, size and whether it is executable."""
    total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if _number(block[148:156], "checksum") != total:
        raise damaged("a tar header is damaged: its checksum doesn't hold")
    magic, prefix = block[257:265], block[345:500]
    if magic == b"ustar  \0":
        if any(prefix):
            raise ambiguous("a GNU header has fields that only sparse files and increments have")
    elif magic != b"ustar\x0000":
        raise ArchiveRefused("it is no ustar archive", code="archive-unknown")
    if any(block[157:257]) and block[156:157] in (b"0", b"\0", b"5"):
        raise ambiguous("an entry that is no link has a target")
    name = _text(block[:100])
    if magic == b"ustar\x0000" and any(prefix):
        name = f"{_text(prefix)}/{name}"
    return (
        block[156:157],
        name,
        _number(block[124:136], "size"),
        bool(_number(block[100:108], "mode") & 0o100),
    )


def _number(field: bytes, what: str) -> int:
    text = field.rstrip(b"\0 ").lstrip(b" ")
    if not _OCTAL.fullmatch(text):
        raise ambiguous(f"a tar header's {what} is not written in octal digits")
    return int(text, 8)


def _text(field: bytes) -> str:
    """Return a field's text, which ends at the first NUL; after it only NULs may stand."""
    text, _, rest = field.partition(b"\0")
    if any(rest):
        raise ambiguous(f"something stands behind the name {text[:120]!r}")
    return decoded(text)


def _pax(content: bytes, *, everywhere: bool) -> str | None:
    """Return the path that a pax header gives, or None; refuses what would change how the tar is read."""
    found: dict[str, str] = {}
    at = 0
    while at < len(content):
        length, space, _ = content[at : at + 8].partition(b" ")
        record = content[at : at + int(length)] if space and _LENGTH.fullmatch(length) else b""
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not equals or not record.endswith(b"\n") or len(record) != int(length):
            raise damaged("a pax header is damaged")
        name = decoded(key)
        if name in found:
            raise ambiguous(f"a pax header says {name[:60]!r} twice")
        if not _HARMLESS.fullmatch(name) or (everywhere and name == "path"):
            raise ambiguous(f"a pax header sets {name[:60]!r}, which changes what is read")
        found[name] = decoded(value) if name == "path" else ""
        at += len(record)
    if "\0" in found.get("path", ""):
        raise ambiguous("a pax header's path has a NUL")
    return found.get("path")


def decoded(name: bytes) -> str:
    """Return a name as text; raises ArchiveRefused where it isn't UTF-8."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise ArchiveRefused(f"the name {name[:120]!r} is not UTF-8", code="archive-name") from None


def check_ratio(came_out: int, came_in: int, bounds: Bounds) -> None:
    """Refuse what unpacks to far more than it is."""
    if came_out > bounds.ratio_floor and came_out > bounds.ratio * max(came_in, 1):
        raise too_large(f"it unpacks to more than {bounds.ratio} times its size")


def damaged(message: str) -> ArchiveRefused:
    """Return the refusal of bytes that don't follow the format."""
    return ArchiveRefused(message, code="archive-damaged", hint="Fetch or pack it again.")


def ambiguous(message: str) -> ArchiveRefused:
    """Return the refusal of what two readers could read differently."""
    hint = "Pack it again with `devkit plugin pack`, or plain `tar` or `zip`."
    return ArchiveRefused(message, code="archive-ambiguous", hint=hint)


def too_large(message: str) -> ArchiveRefused:
    """Return the refusal of what is over a bound."""
    return ArchiveRefused(message, code="archive-too-large", hint="`devkit explain archive-too-large`")


def special(name: str, what: str) -> ArchiveRefused:
    """Return the refusal of an entry that is neither file nor folder."""
    hint = "A package holds files and folders only; put a copy in the link's place."
    return ArchiveRefused(f"{name[:120]!r} is {what}", code="archive-special", hint=hint)
