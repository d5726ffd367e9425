"""What functions take and give: JSON, checked by their manifest's schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from devkit_core.errors import FunctionMissing, SchemaMismatch
from devkit_core.protocol.json_values import check_values

if TYPE_CHECKING:
    from devkit_core.model.json_schema import Schema
    from devkit_core.model.manifest import Manifest

__all__ = ["UNREAD", "Functions", "decode", "encode", "functions_of", "number_of"]

UNREAD: Final = object()  # stands for a value that nobody has read

_ENCODER: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
Side: TypeAlias = Literal["input", "output"]
_CODES: Final[Mapping[Side, str]] = {"input": "input-invalid", "output": "output-invalid"}


def functions_of(manifest: Manifest) -> Functions | None:
    """Return the contracts of a manifest's functions; None where there are no schemas to check by."""
    if any(each.input is not None or each.output is not None for each in manifest.functions.values()):
        return Functions(manifest)
    return None


def number_of(plugin: str, function: str, known: Mapping[str, int] | None, manifest: Manifest | None) -> int:
    """Return the number that a worker knows a function by; raises FunctionMissing.

    `known` is what an instance said, None while there is none.
    """
    if known is None:
        if function == "execute":
            return 0
        if manifest is not None and function in manifest.functions:
            # what every start agrees on: execute first, then the manifest's, in order of name
            return 1 + sorted(n for n in manifest.functions if n != "execute").index(function)
    elif (number := known.get(function)) is not None:
        return number
    have = ", ".join(known or ("execute",))
    raise FunctionMissing(f"`{plugin}` has no function `{function}`", plugin=plugin, hint=f"it has: {have}")


class Functions:
    """The contracts of one loaded manifest; a schema is compiled when it is first needed, and kept."""

    def __init__(self, manifest: Manifest) -> None:
        self._plugin = manifest.id
        self._data: dict[tuple[str, Side], Any] = {}
        for name, each in manifest.functions.items():
            if each.input is not None:
                self._data[name, "input"] = each.input
            if each.output is not None:
                self._data[name, "output"] = each.output
        self._schemas: dict[tuple[str, Side], Schema] = {}

    def describes(self, function: str) -> bool:
        """Say whether the function has a schema, and so takes and gives JSON."""
        return (function, "input") in self._data or (function, "output") in self._data

    def check_input(self, function: str, data: bytes) -> None:
        """Check JSON text that is about to be sent; raises SchemaMismatch, `input-invalid`."""
        self._check(function, "input", data)

    def check_output(self, function: str, data: bytes) -> Any:
        """Check JSON text that a function returned; raises SchemaMismatch, `output-invalid`.

        Returns the value, or UNREAD where there is no schema to check it by.
        """
        return self._check(function, "output", data)

    def _check(self, function: str, side: Side, data: bytes) -> Any:
        key = (function, side)
        if key not in self._data:
            return UNREAD
        from devkit_core.model.json_schema import MISSING, Schema, TooMuchWork, json_path

        schema = self._schemas.get(key)
        if schema is None:
            schema = self._schemas[key] = Schema(self._data[key])
        value = _decoded(self._plugin, function, side, data)
        subject = f"the {side} of `{function}`"
        hint = f"devkit plugin info {self._plugin} shows what `{function}` takes and gives"
        try:
            miss = schema.check(value, len(data))
        except TooMuchWork as error:
            message = f"{subject} can't be checked: {error}"
            raise SchemaMismatch(message, code=_CODES[side], plugin=self._plugin, hint=hint) from None
        if miss is None:
            return value
        path = json_path(miss.path)
        said = "is missing; it has to be" if miss.got is MISSING else f"is {miss.got}; expected"
        message = f"{subject} doesn't fit: `{path}` {said} {miss.expected}"
        raise SchemaMismatch(
            message,
            code=_CODES[side],
            path=path,
            expected=miss.expected,
            got=miss.got,
            plugin=self._plugin,
            hint=hint,
        )


def encode(plugin: str, function: str, value: Any) -> bytes:
    """Return a value as JSON text in UTF-8; raises SchemaMismatch for what JSON doesn't have."""
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:  # a lone surrogate's is a ValueError too
        got = type(value).__name__
        raise SchemaMismatch(
            f"the input of `{function}` is no JSON: {error}",
            code="input-invalid",
            expected="a JSON value",
            got=got,
            plugin=plugin,
            hint="give dictionaries, lists, strings, finite numbers, booleans and None",
        ) from None


def decode(plugin: str, function: str, data: bytes) -> Any:
    """Return the value that a function's JSON text holds; raises SchemaMismatch, `output-invalid`.

    Raises PayloadTooLarge for one with too many values, as the checks do.
    """
    return _decoded(plugin, function, "output", data)


def _decoded(plugin: str, function: str, side: Side, data: bytes) -> Any:
    check_values(data, f"the {side} of `{function}` of `{plugin}`")
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SchemaMismatch(
            f"the {side} of `{function}` is no JSON: {error}",
            code=_CODES[side],
            expected="JSON text",
            got=f"{len(data):,} bytes that are none",
            plugin=plugin,
        ) from None
