"""Finds the tags in a comment: TODO, FIXME, XXX and HACK."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

TAGS = ("TODO", "FIXME", "XXX", "HACK")
TEXT_LIMIT = 300

# A tag opens the comment, or is followed by a colon or an author: "see the TODO list" is no tag.
_TAG = re.compile(
    r"(?:(?P<opens>\A[\s#/*!;@-]*)|(?<!\w))(?P<tag>TODO|FIXME|XXX|HACK)(?!\w)"
    r"(?:\((?P<author>[^()\n]{1,60})\))?(?P<colon>:?)"
)


class Todo(NamedTuple):
    """One tag of a comment: `offset` is the tag's first character, from 0."""

    offset: int
    tag: str
    author: str | None
    text: str


def todos(comment: str) -> Iterator[Todo]:
    """Give the tags of one comment line; each one's text ends where the next begins."""
    found = [m for m in _TAG.finditer(comment) if m["opens"] is not None or m["author"] or m["colon"]]
    for number, match in enumerate(found, 1):
        end = found[number].start("tag") if number < len(found) else len(comment)
        text = comment[match.end() : end].strip().removesuffix("*/").strip(" \t\r-")
        author = match["author"].strip() if match["author"] else None
        yield Todo(match.start("tag"), match["tag"], author or None, text[:TEXT_LIMIT])
