"""Did you mean: the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return "did you mean 'x'?" with the one or two nearest known names, or nothing."""
    import difflib

    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower()[:200], names, n=2, cutoff=0.6)
    if not near:
        near = [name for name in names if len(word) >= 3 and name.startswith(word.lower())][:2]
    if not near:
        return None
    return "did you mean " + " or ".join(f"'{names[name]}'" for name in near) + "?"
