"""A plugin's folder on disk: its real path, and its manifest."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.config.files import NotRegular, TooLarge, read_bounded
from devkit_core.errors import ManifestError, Place, Problem

if TYPE_CHECKING:
    from devkit_core.model.manifest import Parsed

__all__ = ["MANIFEST", "read_bytes", "read_manifest", "real_path"]

MANIFEST = "plugin.toml"
_LIMIT = 1 << 20  # bytes of a manifest, as the parser's own


def real_path(folder: Path) -> str:
    """Return a folder's path with every link followed, which is its origin for grants."""
    try:
        return os.path.realpath(folder)
    except (OSError, ValueError):
        return str(folder)


def read_manifest(folder: Path) -> Parsed:
    """Return a plugin folder's manifest, parsed from one descriptor; raises ManifestError.

    Never waits: a fifo or a device in the manifest's place is an error like any other, and so is a
    symbolic link, since its target would be read and shown.
    """
    return _parsed(read_bytes(folder)[0], str(folder / MANIFEST))


@lru_cache(maxsize=256)
def _parsed(data: bytes, path: str) -> Parsed:
    """Return what these bytes say: a plugin that is loaded has just been discovered, with the same."""
    from devkit_core.model.manifest import parse

    return parse(data, path)


def read_bytes(folder: Path) -> tuple[bytes, os.stat_result]:
    """Return a folder's manifest as bytes, and the facts of the file it came from; raises ManifestError."""
    path = folder / MANIFEST
    try:
        return read_bounded(path, _LIMIT, follow=False)
    except FileNotFoundError:
        code = "manifest-missing"
        if os.path.isdir(folder):
            message, hint = f"there is no {MANIFEST}", "`devkit plugin new` writes one."
        else:
            message, hint = "the plugin's folder is gone", None
    except NotRegular:
        code, message = "manifest-unreadable", f"{MANIFEST} is no regular file"
        hint = f"Put a plain file {MANIFEST} there; links and devices aren't followed."
    except TooLarge as error:
        code, message = "manifest-too-large", f"{MANIFEST} is too large: {error}"
        hint = "Keep data in files of their own beside it."
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        code, message, hint = "manifest-unreadable", f"{MANIFEST} can't be read: {reason}", None
    raise ManifestError([Problem(code, message, Place(str(path)), hint)])
