"""Which files of a plugin's folder belong to the package."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from devkit_core.errors import UsageError

__all__ = ["ALWAYS", "IGNORE_FILE", "Exclusion"]

IGNORE_FILE = ".devkitignore"
#: what is left out, unless `.devkitignore` says otherwise; the list stands in the reference page too
ALWAYS = (".*", "__pycache__/", "*.pyc", "*.pyo", "*.dkp", "node_modules/.cache/", "FILES.json")
_MOST = 200  # patterns
_LONGEST = 255  # characters of one


@dataclass(frozen=True, slots=True)
class _Pattern:
    parts: tuple[str, ...]
    folders_only: bool
    back_in: bool

    def matches(self, path: tuple[str, ...], folder: bool) -> bool:
        return (folder or not self.folders_only) and _match(self.parts, path)


class Exclusion:
    """Patterns as in `.gitignore`: the last one that matches decides.

    `*` and `?` match inside one part, `**` any parts; a slash inside or at the front ties a pattern to
    the top, one at the end to folders; `!` takes back in. What is in a folder that is left out stays out.
    """

    def __init__(self, text: str = "") -> None:
        lines = [*ALWAYS, *text.splitlines()]
        if len(lines) > _MOST:
            raise UsageError(f"{IGNORE_FILE} has more than {_MOST - len(ALWAYS)} lines", code="pack-ignore")
        self._patterns = [_parsed(line) for line in lines if line.strip() and not line.startswith("#")]

    def excludes(self, path: str, *, folder: bool) -> bool:
        """Tell whether a file or folder is left out; what is above it is asked first."""
        parts = tuple(path.split("/"))
        out = False
        for pattern in self._patterns:
            if pattern.matches(parts, folder):
                out = not pattern.back_in
        return out


def _parsed(line: str) -> _Pattern:
    text = line.strip()
    back_in = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    parts = tuple(text.removeprefix("/").split("/"))
    if len(line) > _LONGEST or "" in parts or parts.count("**") > 3:
        raise UsageError(f"{IGNORE_FILE}: {line[:80]!r} is no pattern", code="pack-ignore")
    if "/" not in text:
        parts = ("**", *parts)
    return _Pattern(parts, folders_only, back_in)


def _match(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_match(pattern[1:], path[start:]) for start in range(len(path)))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _match(pattern[1:], path[1:])
