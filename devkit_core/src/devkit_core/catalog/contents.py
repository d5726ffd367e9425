"""Where content lies in the store, by hash and id."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["RECORD", "content_folder", "is_content", "plugin_folder"]

#: the record of installed plugins in the user's data folder
RECORD = "installed.json"
_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


def is_content(digest: str, plugin: str) -> bool:
    """Tell whether these are a hash and an id, so that a path may be made of them."""
    return bool(_HASH.fullmatch(digest) and _ID.fullmatch(plugin))


def content_folder(data: Path) -> Path:
    """Return the folder of all content below the user's data folder."""
    return data / "store" / "sha256"


def plugin_folder(data: Path, digest: str, plugin: str) -> Path:
    """Return a plugin's folder in the store, there or not; ValueError for what is no hash or id."""
    if not is_content(digest, plugin):
        raise ValueError(f"not a place in the store: {digest[:80]!r}, {plugin[:80]!r}")
    return content_folder(data) / digest / plugin
