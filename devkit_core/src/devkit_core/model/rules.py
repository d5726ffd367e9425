"""What single values of a manifest must be, beyond their types."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from devkit_core.errors import UsageError
from devkit_core.model.packages import parse_package
from devkit_core.model.permissions import parse_permission, refused_variable
from devkit_core.model.versions import parse_requirement, parse_version

__all__ = [
    "Fault",
    "Rule",
    "config_type",
    "entry_point",
    "licence",
    "line",
    "nearest",
    "package",
    "permission",
    "plugin_id",
    "prose",
    "readable",
    "repository",
    "requirement",
    "shown",
    "variable_name",
    "version",
    "web_address",
]

# Joiners that emoji and some scripts need; every other format character can hide or reorder text.
_HARMLESS_FORMATS: Final = "\u200c\u200d"
_ID_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one value; `message` goes on from the value's key: `metadata.id` + `is empty`."""

    message: str
    hint: str | None = None
    code: str = "manifest-value"
    warning: bool = False


Rule = Callable[[str], Fault | None]


def shown(text: str) -> str:
    """Return a stranger's text so that it can be printed: short, escaped, in backquotes."""
    short = text if len(text) <= 60 else f"{text[:60]}…"
    return "`" + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short) + "`"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant."""
    return next(iter(difflib.get_close_matches(name[:64].lower(), list(known), n=1, cutoff=0.6)), None)


def readable(text: str) -> Fault | None:
    """Refuse what a terminal would obey or an eye would miss; line breaks and tabs are allowed."""
    if text.isprintable():
        return None
    for character in text:
        if character in "\n\t" or character in _HARMLESS_FORMATS:
            continue
        if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"}:
            kind = "a control character" if ord(character) < 0xA0 else "an invisible character"
            return Fault(f"has {kind}, {_code_point(character)}", "take it out")
    return None


def line(text: str) -> Fault | None:
    """Refuse line breaks and tabs, in texts that are shown within a line."""
    if "\n" in text or "\t" in text:
        return Fault("has a line break or a tab", "write it in one line")
    return None


def prose(text: str) -> Fault | None:
    """Allow line breaks: in texts that are shown by themselves."""
    return None


def plugin_id(text: str) -> Fault | None:
    """Check the grammar of ids, and say which character breaks it."""
    hint = _id_hint(text)
    if not text:
        return Fault("is empty", hint, "manifest-id")
    if len(text) > 64:
        return Fault(f"has {len(text)} characters; an id has at most 64", None, "manifest-id")
    if ".." in text:
        return Fault("has `..`; an id is no path", hint, "manifest-id")
    for character in text:
        if character not in _ID_LETTERS:
            return Fault(f"has {_described(character)}", hint, "manifest-id")
    if text[0] == "-" or text[-1] == "-":
        return Fault("starts or ends with a hyphen", hint, "manifest-id")
    return None


def entry_point(text: str) -> Fault | None:
    """Refuse paths that can't stay in the plugin's folder; the factory checks the real file again."""
    hint = "write a path inside the plugin's folder, as `plugin.py`"
    if "\\" in text:
        return Fault("has a backslash", "part folders by `/`")
    if text.startswith(("/", "~")) or text[1:2] == ":":
        return Fault("is an absolute path", hint)
    if ".." in text.split("/"):
        return Fault("leaves the plugin's folder by `..`", hint)
    if not text.strip() or text.endswith("/") or text.endswith("/.") or text == ".":
        return Fault("names no file", hint)
    return line(text)


def version(text: str) -> Fault | None:
    """Check a version in `versions`' grammar."""
    return _parsed(parse_version, text)


def requirement(text: str) -> Fault | None:
    """Check a requirement in `versions`' grammar."""
    return _parsed(parse_requirement, text)


def permission(text: str) -> Fault | None:
    """Check a permission in `permissions`' grammar."""
    return _parsed(parse_permission, text)


def package(text: str) -> Fault | None:
    """Check the requirement of a Python package in `packages`' grammar."""
    return _parsed(parse_package, text)


def config_type(text: str) -> Fault | None:
    """Check the name of a setting's type."""
    names = ("string", "integer", "number", "boolean", "array", "table")
    if text in names:
        return None
    near = nearest(text, names)
    hint = f"did you mean `{near}`?" if near else None
    return Fault(f"is {shown(text)}, which is none of {', '.join(names)}", hint)


def licence(text: str) -> Fault | None:
    """Warn of what is no SPDX licence expression."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        canonicalize_license_expression(text[:100])
    except InvalidLicenseExpression:
        hint = "write an SPDX expression, as `MIT OR Apache-2.0`; `LicenseRef-NAME` for one of your own"
        return Fault(f"{shown(text)} is no known licence", hint, warning=True)
    return line(text)


def web_address(text: str) -> Fault | None:
    """Warn of an address that isn't http or https."""
    return line(text) or _address(text, ("http://", "https://"))


def repository(text: str) -> Fault | None:
    """Warn of an address that neither a browser nor git can open."""
    return line(text) or _address(text, ("http://", "https://", "git://", "ssh://", "git@"))


def variable_name(text: str) -> Fault | None:
    """Refuse variables that make a runtime run other code."""
    if refused_variable(text):
        return Fault("can't be set: it steers the runtime itself", "take it out", "manifest-unsupported")
    return None


def _parsed(parse: Callable[[str], object], text: str) -> Fault | None:
    try:
        parse(text)
    except UsageError as error:
        return Fault(f": {error.message}", error.hint, str(error.code))
    return None


def _address(text: str, starts: tuple[str, ...]) -> Fault | None:
    if text.lower().startswith(starts) and " " not in text:
        return None
    return Fault(f"{shown(text)} is no address to open", f"begin it with {starts[1]}", warning=True)


def _id_hint(text: str) -> str:
    grammar = "an id has a-z, 0-9 and hyphens inside, as `my-plugin`"
    if not text.isascii():
        return grammar
    meant = "".join(c if c in _ID_LETTERS else "-" for c in text.lower()).strip("-")
    while "--" in meant:
        meant = meant.replace("--", "-")
    return f"write `{meant[:64].strip('-')}`" if meant else grammar


def _described(character: str) -> str:
    if character.isascii() and character.isupper():
        return f"a capital letter, `{character}`"
    if character in "/\\":
        return f"a `{character}`; an id is no path"
    if character == " ":
        return "a space"
    if unicodedata.category(character) == "Cc":
        return f"a control character, {_code_point(character)}"
    if character.isascii():
        return f"a `{character}`"
    return f"the character {_code_point(character)}, which is not one of a-z, 0-9 and the hyphen"


def _code_point(character: str) -> str:
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
