"""What plugins ask of the package index, and locks of it."""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit_core.api import LoadError, Place, UsageError, parse_package

__all__ = ["Script", "named", "normalised", "read_lock", "script_block"]

_MOST = 100  # requirements of one plugin, as in its manifest
_BLOCK = 64 * 1024  # characters of a block
# The pattern of PEP 723, but for the end of a line, which may have a carriage return.
_SCRIPT = re.compile(r"(?m)^# /// script\r?$\s(?P<content>(^#(| .*)$\s)+)^# ///\s*?$")
_TOML_LINE = re.compile(r"\(at line (\d+)")
_LOCKED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)(?P<hashes>(\s+--hash=sha256:[0-9a-f]{64})+)"
)


@dataclass(frozen=True, slots=True)
class Script:
    """The block of inline metadata (PEP 723) of a Python file: its `dependencies`, as they are written."""

    dependencies: tuple[str, ...] = ()


def normalised(texts: Iterable[str]) -> tuple[str, ...]:
    """Return a set of requirements in one spelling and order; UsageError for one that is none."""
    return tuple(sorted({parse_package(text) for text in texts}))


def named(requirement: str) -> str:
    """Return the name that a normalised requirement begins with."""
    found = re.match(r"[a-z0-9-]+", requirement)
    assert found is not None
    return found[0]


def script_block(source: bytes, path: Path) -> Script:
    """Read the block of a file, empty where it has none; `path` is what errors name.

    Raises LoadError `python-block-invalid` for a block that can't be used, `python-version-unsuitable`
    where its `requires-python` excludes this interpreter.
    """
    if b"# /// script" not in source:
        return Script()
    text = source.decode("utf-8", "replace")
    found = list(_SCRIPT.finditer(text))
    if not found:
        return Script()
    first = text.count("\n", 0, found[0].start()) + 1
    if len(found) > 1:
        second = text.count("\n", 0, found[1].start()) + 1
        raise _invalid("there are two blocks of inline metadata", text, path, second)
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in _lines(found[0]["content"]))
    if len(content) > _BLOCK:
        raise _invalid(f"the block has over {_BLOCK:,} characters", text, path, first)
    try:
        table = tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        at = _TOML_LINE.search(str(error))
        line = first + (int(at[1]) if at else content.count("\n"))
        raise _invalid(f"the block is no TOML: {error}", text, path, line) from None
    _check_python(table.get("requires-python"), text, path, first)
    return Script(_dependencies(table.get("dependencies", []), text, path, first))


def _lines(content: str) -> list[str]:
    return content.replace("\r\n", "\n").splitlines(keepends=True)


def _dependencies(asked: Any, text: str, path: Path, first: int) -> tuple[str, ...]:
    if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
        raise _invalid(
            "`dependencies` is no array of strings", text, path, _line_of(text, first, "dependencies")
        )
    if len(asked) > _MOST:
        raise _invalid(f"`dependencies` has {len(asked)} entries; {_MOST} are allowed", text, path, first)
    for each in asked:
        try:
            parse_package(each)
        except UsageError as error:
            raise _invalid(error.message, text, path, _line_of(text, first, each), error.hint) from None
    return tuple(asked)


def _check_python(wanted: Any, text: str, path: Path, first: int) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if wanted is None:
        return
    line = _line_of(text, first, "requires-python")
    try:
        suits = SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)
    except (InvalidSpecifier, AttributeError, TypeError):
        raise _invalid("`requires-python` is no set of versions, as `>=3.11`", text, path, line) from None
    if not suits:
        raise LoadError(
            f"{path.name} needs Python {wanted}, and DevKit runs on {platform.python_version()}",
            code="python-version-unsuitable",
            place=_place(text, path, line),
            hint="install DevKit for that Python",
        )


def _line_of(text: str, first: int, wanted: str) -> int:
    lines = text.splitlines()
    return next((n for n in range(first, len(lines) + 1) if wanted in lines[n - 1]), first)


def _place(text: str, path: Path, line: int) -> Place:
    lines = text.splitlines()
    return Place(str(path), line, text=lines[line - 1][:200] if line <= len(lines) else None)


def _invalid(message: str, text: str, path: Path, line: int, hint: str | None = None) -> LoadError:
    return LoadError(message, code="python-block-invalid", place=_place(text, path, line), hint=hint)


def read_lock(text: str) -> str:
    """Return a lock in its one form: a line a package, sorted, `name==version --hash=sha256:… …`.

    Raises ValueError for anything else than versions with their hashes: an option in a lock would be
    an order to the installer.
    """
    found = {}
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = line.split(" #")[0].strip()  # noqa: PLW2901 - the comment goes
        if not line or line.startswith("#"):
            continue
        match = _LOCKED.fullmatch(line)
        if match is None:
            raise ValueError(f"{line[:80]!r} is no version with its hashes")
        name = parse_package(match["name"])
        if name in found:
            raise ValueError(f"{name!r} is locked twice")
        found[name] = f"{name}=={match['version']} {' '.join(sorted(set(match['hashes'].split())))}\n"
    return "".join(line for _, line in sorted(found.items()))
