"""JSON and YAML text of plain data, safe on a terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from devkit_core.cli.escaping import UNSAFE

__all__ = ["as_json", "as_line", "as_yaml"]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# Words that some YAML reader takes for a boolean, a null or a number when they stand as a key.
_WORDS = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])


def as_json(data: Any) -> str:
    """Return indented JSON with a line break at the end; numbers JSON can't write become null."""
    text = json.dumps(_finite(data), indent=2, ensure_ascii=False)
    # json escapes C0 itself, so what is left stands inside strings, where \\u is valid.
    return re.sub(f"(?!\n){UNSAFE}", _json_escape, text) + "\n"


def as_line(data: Any) -> str:
    """Return JSON on one line with a line break at the end; numbers JSON can't write become null."""
    text = json.dumps(_finite(data), ensure_ascii=False, separators=(",", ":"))
    return re.sub(UNSAFE, _json_escape, text) + "\n"


def as_yaml(data: Any) -> str:
    """Return block YAML 1.2 with a line break at the end; every string is double-quoted, as in JSON."""
    return "\n".join(_block(_finite(data))) + "\n"


def _json_escape(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\u{number:04x}" if number < 0x10000 else json.dumps(match.group())[1:-1]


def _finite(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return data


def _block(data: Any) -> Iterator[str]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _entry(f"{_key(key)}:", value)
    elif isinstance(data, list) and data:
        for value in data:
            yield from _entry("-", value)
    else:
        yield _scalar(data)


def _entry(lead: str, value: Any) -> Iterator[str]:
    if not (isinstance(value, (dict, list)) and value):
        yield f"{lead} {_scalar(value)}"
        return
    lines = _block(value)
    if lead == "-":  # a nested block starts on the dash's own line
        yield f"- {next(lines)}"
    else:
        yield lead
    for line in lines:
        yield f"  {line}"


def _key(key: str) -> str:
    return key if _PLAIN_KEY.match(key) and key.lower() not in _WORDS else _scalar(key)


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(UNSAFE, _yaml_escape, text) if isinstance(value, str) else text


def _yaml_escape(match: re.Match[str]) -> str:
    number = ord(match.group())
    if 0xD800 <= number < 0xE000:
        return "\\uFFFD"  # YAML has no lone surrogates
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
