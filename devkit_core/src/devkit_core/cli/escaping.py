"""Makes foreign text harmless on a terminal: the one escape function."""

from __future__ import annotations

import re

__all__ = ["UNSAFE", "display_width", "escape"]

#: What may move the cursor, change colours, or show text in another order than it is read: control
#: characters, bidirectional marks and overrides, invisible separators, tags, lone surrogates. Joiners
#: (U+200C, U+200D) stay: scripts and emoji need them.
UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str, *, lines: bool = False) -> str:
    """Return `text` with every unsafe character as a visible `\\x1b`, `\\u202e` or `\\U000e0001`.

    With `lines`, line breaks stay and tabs become four spaces: for tracebacks and pages.
    """
    if lines:
        return "\n".join(escape(line) for line in text.replace("\t", "    ").split("\n"))
    if text.isascii() and text.isprintable():
        return text
    return re.sub(UNSAFE, _visible, text)


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def display_width(text: str) -> int:
    """Return how many columns a terminal gives `text`: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    columns = 0
    for character in text:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return columns
