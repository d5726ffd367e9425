"""Which names a file of a plugin may have, on every system."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from devkit_core.errors import ArchiveRefused

__all__ = ["BOUNDS", "Bounds", "Names"]

_PORTABLE = re.compile(r'[^\\:<>"|?*]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one package may be, held while it is read: sizes in bytes.

    `ratio` is unpacked to packed bytes, and counts once more than `ratio_floor` bytes came out.
    """

    archive: int = 100 << 20
    unpacked: int = 100 << 20
    ratio: int = 100
    ratio_floor: int = 1 << 20
    entries: int = 10_000
    depth: int = 32
    path: int = 255


BOUNDS = Bounds()


class Names:
    """The names of one package: each is checked when it is added, and against all before it.

    A name that isn't plain is refused, never mended: what two systems would read in two ways is not a name.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._spellings: dict[str, str] = {}  # each path and each folder above one, folded, to its spelling
        self._given: set[str] = set()
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, name: str, *, folder: bool = False) -> tuple[str, ...]:
        """Return a path's parts; raises ArchiveRefused `archive-name` or `archive-ambiguous`."""
        parts = tuple(name.split("/"))
        shown = repr(name[:120])
        if len(name.encode("utf-8", "surrogatepass")) > self._bounds.path:
            raise _refused(f"the path {shown} has more than {self._bounds.path} bytes")
        if len(parts) > self._bounds.depth:
            raise _refused(f"the path {shown} is more than {self._bounds.depth} folders deep")
        for part in parts:
            why = _fault(part)
            if why:
                raise _refused(f"the path {shown} {why}")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            known = self._spellings.setdefault(_folded(path), path)
            if known != path:
                raise _ambiguous(f"{path!r} and {known!r} are one name on some systems")
            inner = end < len(parts)
            if path in self._files and (inner or folder):
                raise _ambiguous(f"{path!r} is a file and a folder")
            if inner:
                self._folders.add(path)
        if name in self._given:
            raise _ambiguous(f"{name!r} is there twice")
        self._given.add(name)
        if folder:
            self._folders.add(name)
        elif name in self._folders:
            raise _ambiguous(f"{name!r} is a file and a folder")
        else:
            self._files.add(name)
        return parts


def _fault(part: str) -> str | None:
    if not part:
        return "has an empty part"
    if part in (".", ".."):
        return f"has a part {part!r}"
    if not part.isprintable():
        return "has a character that can't be shown"
    if not _PORTABLE.fullmatch(part):
        return 'has one of the characters \\ : < > " | ? *'
    if part[0] == " " or part[-1] in " .":
        return "has a part that begins with a space, or ends with a space or a dot"
    if _RESERVED.fullmatch(part):
        return f"has the part {part!r}, which is a device on some systems"
    if not unicodedata.is_normalized("NFC", part):
        return "is not in Unicode's composed form (NFC)"
    return None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _refused(message: str) -> ArchiveRefused:
    return ArchiveRefused(message, code="archive-name", hint="Give it a plain name, and pack again.")


def _ambiguous(message: str) -> ArchiveRefused:
    return ArchiveRefused(message, code="archive-ambiguous", hint="Rename or remove one, and pack again.")
