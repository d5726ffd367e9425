"""Walks a folder and reads its source files, within bounds."""

from __future__ import annotations

import os
import stat
import tokenize
from collections.abc import Iterator
from pathlib import Path

from comments import language_of

MAX_BYTES = 2 * 1024 * 1024
MAX_FILES = 20_000
SKIPPED_FOLDERS = {"node_modules", "__pycache__"}


class Unreadable(Exception):
    """A file or folder that wasn't read, and why; `unseen` where a permission may be what is missing."""

    def __init__(self, path: Path, why: str | OSError) -> None:
        super().__init__((why.strerror or "unreadable") if isinstance(why, OSError) else why)
        self.path = path
        self.unseen = isinstance(why, (PermissionError, FileNotFoundError))


def source_files(path: Path) -> Iterator[Path | Unreadable]:
    """Give a folder's source files in order, and what couldn't be read; no links, no hidden names.

    A path that is no folder is given as it is.
    """
    if not path.is_dir():
        yield path
        return
    waiting = [path]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Unreadable(current, error)
            continue
        folders = []
        for entry in found:
            if entry.name.startswith(".") or entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED_FOLDERS:
                    folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and language_of(os.path.splitext(entry.name)[1]):
                yield Path(entry.path)
        waiting.extend(reversed(folders))


def read_source(path: Path) -> tuple[str, str]:
    """Return a file's text, in the encoding it declares (else UTF-8), and its language; raises Unreadable."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable(path, "not a regular file")
        language = language_of(path.suffix)
        if language is None:
            raise Unreadable(path, f"no language is known for {path.suffix or 'a name without extension'}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise Unreadable(path, f"over {MAX_BYTES // 1024 // 1024} MiB")
            if b"\0" in data:
                raise Unreadable(path, "binary")
            file.seek(0)
            encoding = tokenize.detect_encoding(file.readline)[0] if language == "python" else "utf-8-sig"
        return data.decode(encoding).replace("\r\n", "\n"), language
    except OSError as error:
        raise Unreadable(path, error) from None
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise Unreadable(path, "not text in the encoding it declares, or not UTF-8") from None
