"""Reads a WebAssembly module's imports and exports; runs and compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["COMPONENT", "Malformed", "Module", "Signature", "read"]

_MAGIC = b"\0asm\1\0\0\0"
#: what a component, as opposed to a module, starts with
COMPONENT = b"\0asm\x0d\0\1\0"
_LIMIT = 100_000  # entries of a section, as web browsers have it
_NAME = 100_000  # bytes of a name
_TYPES = {
    0x7F: "i32",
    0x7E: "i64",
    0x7D: "f32",
    0x7C: "f64",
    0x7B: "v128",
    0x70: "funcref",
    0x6F: "externref",
}
_KINDS = ("func", "table", "memory", "global", "tag")


class Malformed(Exception):
    """Bytes that are no WebAssembly module; the text says where."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and returns; a type that DevKit never passes is `?`."""

    takes: tuple[str, ...]
    gives: tuple[str, ...]

    def __str__(self) -> str:
        return f"({', '.join(self.takes)}) -> ({', '.join(self.gives)})"


@dataclass(frozen=True, slots=True)
class Module:
    """A module's outside: `imports` are (module, name, kind), `exports` map names to kinds.

    `functions` holds the signatures of the exported functions. `starts` says whether code runs when the
    module is instantiated.
    """

    imports: tuple[tuple[str, str, str], ...] = ()
    exports: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Signature] = field(default_factory=dict)
    starts: bool = False


class _Reader:
    """Walks over bytes; every step is bounded by their end."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.at = at
        self.end = len(data) if end is None else end

    def byte(self) -> int:
        if self.at >= self.end:
            raise Malformed(f"it ends too early, at byte {self.at:,}")
        self.at += 1
        return self.data[self.at - 1]

    def number(self, bits: int = 32) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift >= bits:
                raise Malformed(f"a number is too long, at byte {self.at:,}")
        return value

    def count(self) -> int:
        value = self.number()
        if value > _LIMIT:
            raise Malformed(f"a section has {value:,} entries; the limit is {_LIMIT:,}")
        return value

    def skip(self, size: int) -> None:
        if size > self.end - self.at:
            raise Malformed(f"it ends too early, at byte {self.at:,}")
        self.at += size

    def take(self, size: int) -> bytes:
        self.skip(size)
        return self.data[self.at - size : self.at]

    def name(self) -> str:
        size = self.number()
        if size > _NAME:
            raise Malformed(f"a name has {size:,} bytes")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            raise Malformed(f"a name is not UTF-8, at byte {self.at:,}") from None

    def value_type(self) -> str:
        byte = self.byte()
        if byte in (0x63, 0x64):  # a reference to a type of the module
            self.number(33)
        return _TYPES.get(byte, "?")

    def limits(self) -> None:
        flags = self.byte()
        self.number(64)
        if flags & 1:
            self.number(64)
        if flags & 8:
            self.number()


def read(data: bytes) -> Module:
    """Return what a module imports and exports. Raises Malformed."""
    if not data.startswith(_MAGIC):
        raise Malformed("it does not start as a WebAssembly module of version 1")
    sections: dict[int, tuple[int, int]] = {}
    reader = _Reader(data, len(_MAGIC))
    while reader.at < reader.end:
        kind = reader.byte()
        size = reader.number()
        begin = reader.at
        reader.skip(size)
        if kind == 0:
            continue
        if kind in sections:
            raise Malformed(f"section {kind} is there twice")
        sections[kind] = (begin, begin + size)

    def section(kind: int) -> _Reader | None:
        return _Reader(data, *sections[kind]) if kind in sections else None

    types = _types(section(1))
    imports, imported = _imports(section(2))
    exports, indexes = _exports(section(7))
    functions = {}
    for name, index in indexes.items():
        number = imported[index] if index < len(imported) else _type_of(section(3), index - len(imported))
        if number >= len(types):
            raise Malformed(f"the export {name!r} has a type that isn't there")
        functions[name] = types[number]
    return Module(tuple(imports), exports, functions, 8 in sections)


def _types(reader: _Reader | None) -> list[Signature]:
    found: list[Signature] = []
    if reader is None:
        return found
    for _ in range(reader.count()):
        if reader.byte() != 0x60:
            # Types of the garbage collection proposal, which DevKit's engine refuses when it validates.
            raise Malformed("it has types other than functions', which are not supported")
        takes = tuple(reader.value_type() for _ in range(reader.count()))
        gives = tuple(reader.value_type() for _ in range(reader.count()))
        found.append(Signature(takes, gives))
    return found


def _imports(reader: _Reader | None) -> tuple[list[tuple[str, str, str]], list[int]]:
    found: list[tuple[str, str, str]] = []
    functions: list[int] = []
    if reader is None:
        return found, functions
    for _ in range(reader.count()):
        module, name, kind = reader.name(), reader.name(), reader.byte()
        if kind >= len(_KINDS):
            raise Malformed(f"the import {module}.{name} is of no known kind")
        if kind == 0:
            functions.append(reader.number())
        elif kind == 1:
            reader.value_type()
            reader.limits()
        elif kind == 2:
            reader.limits()
        elif kind == 3:
            reader.value_type()
            reader.byte()
        else:
            reader.byte()
            reader.number()
        found.append((module, name, _KINDS[kind]))
    return found, functions


def _exports(reader: _Reader | None) -> tuple[dict[str, str], dict[str, int]]:
    kinds: dict[str, str] = {}
    functions: dict[str, int] = {}
    if reader is None:
        return kinds, functions
    for _ in range(reader.count()):
        name, kind, index = reader.name(), reader.byte(), reader.number()
        if kind >= len(_KINDS):
            raise Malformed(f"the export {name!r} is of no known kind")
        if name in kinds:
            raise Malformed(f"the export {name!r} is there twice")
        kinds[name] = _KINDS[kind]
        if kind == 0:
            functions[name] = index
    return kinds, functions


def _type_of(reader: _Reader | None, index: int) -> int:
    """Return the number of the type of a module's own function."""
    if reader is None or index >= reader.number():
        raise Malformed("an export names a function that isn't there")
    rest = reader.data[reader.at : reader.end]
    if rest.isascii():  # one byte an entry, as in nearly every module
        if index >= len(rest):
            raise Malformed("the list of functions ends too early")
        return rest[index]
    for _ in range(index):
        reader.number()
    return reader.number()
