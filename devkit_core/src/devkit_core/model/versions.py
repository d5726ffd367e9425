"""Versions of plugins and runtimes, and requirements on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, total_ordering
from typing import TYPE_CHECKING, Final, NoReturn

from devkit_core.errors import UsageError

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

__all__ = ["Requirement", "Version", "parse_requirement", "parse_runtime_version", "parse_version"]

MAX_LENGTH: Final = 256  # characters of a version or a requirement
MAX_CLAUSES: Final = 16
MAX_DIGITS: Final = 18  # of one number, which covers dates and times written as one

_STAGES: Final = {"alpha": "a", "beta": "b", "rc": "rc"}
_SHORT_STAGES: Final = {"a": "alpha", "b": "beta", "c": "rc", "rc": "rc", "alpha": "alpha", "beta": "beta"}
_OPERATORS: Final = frozenset({"", "^", "~", "=", "==", "!=", ">=", "<=", ">", "<", "~="})
_WILDCARDS: Final = frozenset({"*", "x", "X"})
_BUILD_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A version without its build metadata: numbers, and the stage of a pre-release (`alpha`, `beta`, `rc`).

    Ordered as SemVer and PEP 440 agree: 1.0.0-alpha.1 < 1.0.0-rc.1 < 1.0.0. 3.8 and 3.8.0 are equal.
    """

    release: tuple[int, ...]
    pre: tuple[str, int] | None = None

    @property
    def _order(self) -> tuple[tuple[int, ...], tuple[str, int]]:
        release = self.release
        while len(release) > 1 and release[-1] == 0:
            release = release[:-1]
        # "alpha" < "beta" < "rc" < "release" as words
        return release, self.pre or ("release", 0)

    @property
    def pep440(self) -> str:
        """The same version as `packaging` spells it, as `1.0.0rc1`."""
        stage = f"{_STAGES[self.pre[0]]}{self.pre[1]}" if self.pre else ""
        return ".".join(map(str, self.release)) + stage

    def __eq__(self, other: object) -> bool:
        return self._order == other._order if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._order)

    def __str__(self) -> str:
        stage = f"-{self.pre[0]}.{self.pre[1]}" if self.pre else ""
        return ".".join(map(str, self.release)) + stage


@dataclass(frozen=True)
class Requirement:
    """Which versions will do: `text` as it was written, `specifiers` the same in packaging's grammar.

    A pre-release is allowed only where a clause (other than `!=`) names a pre-release itself.
    """

    text: str
    specifiers: str
    prereleases: bool = False

    @cached_property
    def _set(self) -> SpecifierSet:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(self.specifiers)

    def allows(self, version: Version) -> bool:
        """Say whether a version will do."""
        if version.pre and not self.prereleases:
            return False
        return self._set.contains(version.pep440, prereleases=True)

    def __str__(self) -> str:
        return self.text


def parse_version(text: str) -> Version:
    """Read a plugin's version: `X.Y.Z`, with `-alpha.N`, `-beta.N` or `-rc.N`; `+build` is dropped.

    Raises UsageError `version-invalid`.
    """
    body = _body(text)
    numbers, dash, stage = body.partition("-")
    release = _release(numbers, strict=True)
    pre = _dotted_stage(stage) if dash else None
    if release is None or len(release) != 3 or (dash and pre is None) or text.endswith("+"):
        _refuse_version(text, body)
    return Version(release, pre)


def parse_runtime_version(text: str) -> Version:
    """Read a runtime's own version, as 3.11.7, v24.19.0, 3.8, 17.0.15+6, 3.15.0a1 or `3.13.0+`.

    One to four numbers, a stage where it has one; what follows a `+` is dropped.

    Raises UsageError `version-invalid`.
    """
    body = _body(text)
    version = _lenient(body[1:] if body[:1] in {"v", "V"} else body)
    if version is None:
        _refuse_version(text, body)
    return version


def parse_requirement(text: str) -> Requirement:
    """Read a requirement: clauses that must all hold, parted by commas or spaces.

    A clause is a version (bare, `^` or `~`, with Cargo's meanings), `*`, `1.x`, or one of packaging's
    `== != >= <= > < ~=`. Raises UsageError `requirement-invalid`.
    """
    if len(text) > MAX_LENGTH:
        raise _requirement_error(text, f"a requirement has at most {MAX_LENGTH} characters")
    specifiers: list[str] = []
    prereleases = False
    for operator, operand in _clauses(text):
        rewritten, names_pre = _rewrite(text, operator, operand)
        specifiers += rewritten
        prereleases |= names_pre
    return Requirement(text, ",".join(specifiers), prereleases)


def _clauses(text: str) -> list[tuple[str, str]]:
    """Split into operators and operands, in one pass."""
    found: list[tuple[str, str]] = []
    for part in text.split(","):
        words = part.split()
        if not words:
            raise _requirement_error(text, "a clause is missing; `*` allows every version")
        pending: str | None = None
        for word in words:
            operand = word.lstrip("<>=!~^")
            operator = word[: len(word) - len(operand)]
            if pending is not None:
                if operator:
                    raise _requirement_error(text, f"a version must follow `{pending}`")
                operator, pending = pending, None
            if not operand:
                pending = operator
                continue
            found.append((operator, operand))
        if pending is not None:
            raise _requirement_error(text, f"a version must follow `{pending}`")
    if len(found) > MAX_CLAUSES:
        raise _requirement_error(text, f"a requirement has at most {MAX_CLAUSES} clauses")
    return found


def _rewrite(text: str, operator: str, operand: str) -> tuple[list[str], bool]:
    """Return packaging's clauses for one of ours, and whether it lets pre-releases in."""
    if operator not in _OPERATORS:
        raise _requirement_error(text, f"`{operator}` is no operator")
    parts = operand.split(".")
    if parts[-1] in _WILDCARDS:
        return _wildcard(text, operator, parts), False
    version = _lenient(operand.partition("+")[0])
    if version is None:
        raise _requirement_error(text, f"{_shown(operand)} is no version")
    release, pre = version.release, version.pre is not None
    if operator in {"", "^"}:
        # the first number that isn't zero, or the last one given, may not change
        fixed = next((i for i, number in enumerate(release) if number), len(release) - 1)
        return [f">={version.pep440}", f"<{_next(release, fixed)}"], pre
    if operator == "~":
        return [f">={version.pep440}", f"<{_next(release, min(1, len(release) - 1))}"], pre
    if operator == "=":
        exact = len(release) >= 3 or pre
        return [f"=={version.pep440}" if exact else f"=={version.pep440}.*"], pre
    if operator == "~=" and len(release) < 2:
        raise _requirement_error(text, "`~=` needs at least two numbers, as `~=1.2`")
    return [f"{operator}{version.pep440}"], pre and operator != "!="


def _wildcard(text: str, operator: str, parts: list[str]) -> list[str]:
    while len(parts) > 1 and parts[-2] in _WILDCARDS:  # 1.x.x is 1.x
        parts.pop()
    if operator not in {"", "=", "==", "!="}:
        raise _requirement_error(text, f"`{operator}` and a wildcard don't go together")
    if len(parts) == 1:
        if operator == "!=":
            raise _requirement_error(text, "`!=*` allows no version")
        return []
    release = _release(".".join(parts[:-1]), strict=False)
    if release is None:
        raise _requirement_error(text, f"{_shown('.'.join(parts))} is no version")
    return [f"{operator if operator == '!=' else '=='}{'.'.join(map(str, release))}.*"]


def _next(release: tuple[int, ...], position: int) -> str:
    return ".".join(map(str, (*release[:position], release[position] + 1)))


def _body(text: str) -> str:
    """Return a version without its build metadata, its length and build metadata checked."""
    if len(text) > MAX_LENGTH:
        raise UsageError(
            f"a version has at most {MAX_LENGTH} characters; this one has {len(text)}",
            code="version-invalid",
            hint="write X.Y.Z, as `1.0.0`",
        )
    body, plus, build = text.partition("+")
    if plus and not _BUILD_CHARACTERS.issuperset(build):
        _refuse_version(text, body)
    return body


def _number(text: str, *, strict: bool) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_DIGITS:
        return None
    if strict and len(text) > 1 and text[0] == "0":
        return None
    return int(text)


def _release(text: str, *, strict: bool) -> tuple[int, ...] | None:
    parts = text.split(".")
    if len(parts) > 4:
        return None
    numbers = [_number(part, strict=strict) for part in parts]
    known = tuple(n for n in numbers if n is not None)
    return known if len(known) == len(numbers) else None


def _dotted_stage(text: str) -> tuple[str, int] | None:
    stage, _, number = text.partition(".")
    value = _number(number, strict=True)
    return (stage, value) if stage in _STAGES and value is not None else None


def _lenient(text: str) -> Version | None:
    """Read one to four numbers, with a stage in SemVer's spelling or PEP 440's."""
    numbers, dash, stage = text.partition("-")
    if not dash:
        end = next((i for i, c in enumerate(text) if c not in "0123456789."), len(text))
        numbers, stage = text[:end], text[end:]
    release = _release(numbers.removesuffix(".") if stage else numbers, strict=False)
    if release is None:
        return None
    if not dash and not stage:
        return Version(release)
    pre = _dotted_stage(stage) or _joined_stage(stage)
    return Version(release, pre) if pre else None


def _joined_stage(text: str) -> tuple[str, int] | None:
    letters = text.rstrip("0123456789")
    stage, value = _SHORT_STAGES.get(letters), _number(text[len(letters) :], strict=False)
    return (stage, value) if stage and value is not None else None


def _refuse_version(text: str, body: str) -> NoReturn:
    meant = _meant(body)
    raise UsageError(
        f"{_shown(text)} is no version",
        code="version-invalid",
        hint=f"write `{meant}`" if meant else "write X.Y.Z, as `1.0.0`, or X.Y.Z-rc.1 (or alpha, beta)",
    )


def _meant(body: str) -> str | None:
    """Guess the version that was meant: a leading `v`, too few numbers, a stage in another spelling."""
    text = body.strip().lower().removeprefix("v")
    for stage in _STAGES:
        if text.endswith(f"-{stage}"):
            text += ".1"
    version = _lenient(text)
    if version is None or len(version.release) > 3:
        return None
    return str(Version((*version.release, 0, 0)[:3], version.pre))


def _requirement_error(text: str, why: str) -> UsageError:
    if "|" in text:
        hint = "alternatives can't be written; give one range, as `>=1.2 <3`"
    elif " - " in text:
        hint = "write a range as `>=1.2 <=1.8`"
    else:
        hint = "write for example `>=1.2 <2`, `^1.2`, `~1.2`, `1.x` or `*`"
    return UsageError(f"{_shown(text)} is no requirement: {why}", code="requirement-invalid", hint=hint)


def _shown(text: str) -> str:
    """Return a stranger's text so that it can be printed: short, and escaped."""
    short = text if len(text) <= 40 else f"{text[:40]}…"
    return f"`{short.encode('unicode_escape').decode()}`" if not short.isprintable() else f"`{short}`"
