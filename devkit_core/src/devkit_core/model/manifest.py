"""Reads a plugin.toml: bytes in, a checked Manifest and its warnings out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from devkit_core.errors import ManifestError, Problem, UsageError
from devkit_core.model.config_fields import schema_faults
from devkit_core.model.locate import KeyPath, Spot, locate
from devkit_core.model.parsing import MAX_BYTES, Document, place, read_toml
from devkit_core.model.reading import BAD, Finding, Reader, dotted
from devkit_core.model.rules import Fault, shown
from devkit_core.model.tables import (
    CapabilityEntry,
    Dependency,
    Function,
    Limits,
    Manifest,
    Metadata,
    PermissionTable,
    Runtime,
    Security,
    Timeouts,
)
from devkit_core.model.types import CAPABILITIES, capability
from devkit_core.model.versions import parse_version

__all__ = [
    "MAX_BYTES",
    "Dependency",
    "Function",
    "Limits",
    "Manifest",
    "Metadata",
    "Parsed",
    "Runtime",
    "Security",
    "Timeouts",
    "parse",
]

FORMAT: Final = 1  # the manifest_version that this module reads

_IDENTITY: Final = frozenset(field.name for field in msgspec.structs.fields(Metadata))
_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Manifest)}
_SECTIONS: Final = frozenset(_TYPES) - {"metadata"}
# Written below the identity by the first DevKit, and by whoever forgets that a TOML table goes on until
# the next one.
_STRAYS: Final = {
    "capabilities": "move it above the first table, or write `[[capabilities]]` tables",
    "dependencies": "write `[[dependencies]]` tables",
    "permissions": "move it above the first table, or write a `[permissions]` table",
}
_FORMER: Final = "manifest-former-spelling"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A manifest that can be used, and what its author should look at, in file order."""

    manifest: Manifest
    warnings: tuple[Problem, ...] = ()


def parse(data: bytes, path: str = "plugin.toml") -> Parsed:
    """Read a manifest's bytes; `path` is what errors name as its file.

    Raises ManifestError with all problems, warnings among them, in file order: at most 100 of each.
    """
    document = read_toml(data, path)
    reader = Reader()
    manifest = _read(document.data, reader)
    reader.data(document.data)
    problems = _problems(document, reader.findings)
    if manifest is None or not all(problem.warning for problem in problems):
        raise ManifestError(problems)
    return Parsed(manifest, problems)


def _read(data: dict[str, Any], reader: Reader) -> Manifest | None:
    number = data.get("manifest_version", FORMAT)
    if type(number) is int and number != FORMAT:
        hint = f"this DevKit reads manifest_version {FORMAT}; a newer DevKit may read this one"
        fault = Fault("is a format that this DevKit doesn't know", hint, "manifest-unsupported")
        reader.add(("manifest_version",), fault)
        return None
    sections: dict[str, tuple[Any, KeyPath]] = {
        name: (value, (name,)) for name, value in data.items() if name in _SECTIONS
    }
    read = {"metadata": _identity(data, sections, reader)}
    for name, (value, path) in sections.items():
        if name == "capabilities":
            read[name] = _capabilities(value, path, reader)
        elif name == "permissions":
            read[name] = _permissions(value, path, reader)
        else:
            read[name] = reader.value(Manifest, name, _TYPES[name], value, path)
    if read.get("dependencies", BAD) is not BAD:
        _check_dependencies(read["dependencies"], sections["dependencies"][1], reader)
    if read.get("config", BAD) is not BAD:
        for found in schema_faults(read["config"]):
            reader.add(("config", *found.path), Fault(found.message, found.hint))
    if read.get("functions", BAD) is not BAD:
        _check_functions(read["functions"], reader)
    if read.get("runtime", BAD) is not BAD:
        read["runtime"] = _runtime(read["runtime"], reader)
    return None if BAD in read.values() else Manifest(**read)


def _identity(data: dict[str, Any], sections: dict[str, tuple[Any, KeyPath]], reader: Reader) -> Any:
    """Read the metadata from wherever one of the three forms has it, and note the older two."""
    if "metadata" not in data and "plugin" not in data:
        keys = [name for name in data if name in _IDENTITY]
        if not keys:
            hint = "begin with `[metadata]` and id, name, version, description, author and entry_point"
            what = "has no `[metadata]` table" if data else "is empty"
            reader.add((), Fault(what, hint, "manifest-missing-key"))
            return BAD
        fault = Fault("belongs in a table", "write `[metadata]` above it", _FORMER, warning=True)
        reader.add((keys[0],), fault, on_key=True)
        flat = {name: value for name, value in data.items() if name not in _SECTIONS}
        return _metadata(flat, (), reader)
    home = "metadata" if "metadata" in data else "plugin"
    if home == "plugin":
        reader.add(
            (home,), Fault("is a former name", "write `[metadata]`", _FORMER, warning=True), on_key=True
        )
    elif "plugin" in data:
        reader.add(("plugin",), Fault("says the same as `metadata`", "keep one of them"), on_key=True)
    for name in data:
        if name not in _SECTIONS and name not in {home, "plugin"}:
            reader.unknown(Manifest, name, (), _SECTIONS | {"metadata"})
    table = data[home]
    for name, hint in _STRAYS.items():
        if isinstance(table, dict) and name in table:
            if name in sections:
                fault = Fault(f"says the same as `{name}`", "keep one of them")
            else:
                sections[name] = (table[name], (home, name))
                fault = Fault(f"belongs outside `{home}`", hint, _FORMER, warning=True)
            reader.add((home, name), fault, on_key=True)
    return _metadata(table, (home,), reader)


def _metadata(table: Any, path: KeyPath, reader: Reader) -> Any:
    known = frozenset(_STRAYS) if path else _SECTIONS
    read = reader.struct(Metadata, table, path, known)
    if read is not BAD and read.min_devkit_version and read.max_devkit_version:
        try:
            backwards = parse_version(read.min_devkit_version) > parse_version(read.max_devkit_version)
        except UsageError:
            return BAD
        if backwards:
            reader.add((*path, "max_devkit_version"), Fault("is lower than `min_devkit_version`"))
    return read


def _capabilities(value: Any, path: KeyPath, reader: Reader) -> Any:
    if not isinstance(value, list):
        hint = "write `[[capabilities]]`, with two brackets" if isinstance(value, dict) else None
        return reader.wrong(path, "an array", value, hint)
    if reader.too_many(path, value, 64):
        return BAD
    names: list[Any] = []
    for number, item in enumerate(value):
        at = (*path, number)
        names.append(_capability({"capability": item} if isinstance(item, str) else item, at, reader))
    return BAD if BAD in names else tuple(dict.fromkeys(names))


def _capability(item: Any, path: KeyPath, reader: Reader) -> Any:
    entry = reader.struct(CapabilityEntry, item, path)
    if entry is BAD:
        return BAD
    name = capability(entry.capability)
    if name not in CAPABILITIES:
        return entry.name or name
    if entry.name is not None:
        fault = Fault(
            "has no effect",
            f"only a capability of its own has a name, not {name}",
            "manifest-unsupported",
            True,
        )
        reader.add((*path, "name"), fault, on_key=True)
    return name


def _permissions(value: Any, path: KeyPath, reader: Reader) -> Any:
    if not isinstance(value, list | dict):
        return reader.wrong(path, "an array or a table", value, 'write `permissions = ["filesystem:read"]`')
    table, at = (value, path) if isinstance(value, dict) else ({"permissions": value}, path[:-1])
    read = reader.struct(PermissionTable, table, at)
    return BAD if read is BAD else tuple(dict.fromkeys(read.permissions))


def _check_dependencies(dependencies: tuple[Dependency, ...], path: KeyPath, reader: Reader) -> None:
    seen: set[str] = set()
    for number, dependency in enumerate(dependencies):
        if dependency.id in seen:
            reader.add(
                (*path, number, "id"), Fault(f"is there twice: {shown(dependency.id)}", "keep one of them")
            )
        seen.add(dependency.id)


def _check_functions(functions: Mapping[str, Function], reader: Reader) -> None:
    for name, function in functions.items():
        for side, schema in (("input", function.input), ("output", function.output)):
            if schema is None:
                continue
            from devkit_core.model.json_schema import faults

            for found in faults(schema):
                code = "manifest-unknown-key" if found.warning else "schema-invalid"
                fault = Fault(found.message, found.hint, code, found.warning)
                reader.add(("functions", name, side, *found.path), fault, on_key=True)


def _runtime(runtime: Runtime, reader: Reader) -> Runtime:
    if not runtime.security.enable_sandbox:
        hint = "take it out; whoever runs the plugin may allow that, with `--allow-unconfined`"
        fault = Fault("can't be false: a plugin can't lift its own confinement", hint, "manifest-unsupported")
        reader.add(("runtime", "security", "enable_sandbox"), fault)
    return msgspec.structs.replace(runtime, type=runtime.type and runtime.type.lower())


def _problems(document: Document, findings: list[Finding]) -> tuple[Problem, ...]:
    if not findings:
        return ()
    spots = locate(document.text)
    placed = sorted(((_offset(spots, finding), finding) for finding in findings), key=lambda found: found[0])
    return tuple(_problem(document, offset, finding) for offset, finding in placed)


def _offset(spots: dict[KeyPath, Spot], finding: Finding) -> int:
    path = finding.path
    while path and path not in spots:
        path = path[:-1]
    if not path:
        return 0
    return spots[path].key if finding.on_key else spots[path].value


def _problem(document: Document, offset: int, finding: Finding) -> Problem:
    fault, key = finding.fault, dotted(finding.path)
    subject = f"`{key}`" if key else "the manifest"
    gap = "" if fault.message.startswith(":") else " "
    where = place(document.path, document.text, offset, key or None)
    return Problem(fault.code, f"{subject}{gap}{fault.message}", where, fault.hint, fault.warning)
