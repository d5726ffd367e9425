"""Walks a folder and reads its source files, within bounds."""

from __future__ import annotations

import os
import tokenize
from collections.abc import Iterator
from pathlib import Path

from comments import language_of

MAX_BYTES = 2 * 1024 * 1024
MAX_FILES = 20_000
SKIPPED_FOLDERS = {"node_modules", "__pycache__"}


class Unreadable(Exception):
    """A file or folder that wasn't read, and why; `denied` where a permission was missing."""

    def __init__(self, path: Path, why: str, denied: bool = False) -> None:
        super().__init__(why)
        self.path = path
        self.denied = denied


def below(path: str, top: Path) -> Path:
    """Return the path, resolved; raises ValueError where it leads outside `top` or holds a NUL."""
    if "\0" in path:
        raise ValueError("a path holds no NUL")
    target = (top / path).resolve()
    if not target.is_relative_to(top.resolve()):
        raise ValueError(f"{path!r} is outside the current directory; only what is below it is scanned")
    return target


def source_files(folder: Path) -> Iterator[Path | Unreadable]:
    """Give a folder's source files in order, and what couldn't be read; no links, no hidden names."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Unreadable(current, error.strerror or "unreadable", isinstance(error, PermissionError))
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


def read_source(path: Path) -> str:
    """Return a file's text, in the encoding it declares (else UTF-8); raises Unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise Unreadable(path, f"over {MAX_BYTES // 1024 // 1024} MiB")
            if b"\0" in data:
                raise Unreadable(path, "binary")
            file.seek(0)
            encoding = (
                tokenize.detect_encoding(file.readline)[0] if path.suffix.startswith(".py") else "utf-8-sig"
            )
        return data.decode(encoding).replace("\r\n", "\n")
    except OSError as error:
        raise Unreadable(path, error.strerror or "unreadable", isinstance(error, PermissionError)) from None
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise Unreadable(path, "not text in the encoding it declares, or not UTF-8") from None
