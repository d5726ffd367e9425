"""Which loader runs a plugin: detection by declaration, magic bytes, shebang, extension."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from devkit_core.errors import EntryPointError, LoaderMissing, Place
from devkit_core.loading.loader import Entry, Fit, Loader
from devkit_core.model.manifest import Manifest

__all__ = ["DISTRIBUTIONS", "choose", "entry_of", "kind_of", "without_effect"]

_HEAD = 4096
#: the distribution that brings the loader of a kind, and what shows that kind
DISTRIBUTIONS = {
    "python": "devkit-loader-python",
    "native": "devkit-loader-native",
    "node": "devkit-loader-node",
    "wasm": "devkit-loader-wasm",
}
_EXTENSIONS = {
    "python": {".py", ".pyw"},
    "native": {".so", ".dylib", ".dll"},
    "node": {".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"},
    "wasm": {".wasm", ".wat"},
}
_SHEBANGS = {"python": ("python",), "node": ("node", "deno", "bun")}
_MAGIC = {
    "wasm": (b"\0asm",),
    "native": (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ"),
}


def without_effect(manifest: Manifest, loader: Loader) -> str | None:
    """Return what of a manifest has no effect with this loader, as a sentence, or None."""
    if not manifest.python.requires or loader.reads_python:
        return None
    return f"[python] has no effect: `{manifest.id}` is run by the loader `{loader.name}`"


def entry_of(folder: Path, manifest: Manifest, *, at: Place | None = None) -> Entry:
    """Open a plugin's entry point and return what a loader needs to recognise it.

    `at` is where the manifest names it, for the errors. Raises EntryPointError where it is missing, not a
    regular file, or outside the plugin's folder, also by a link.
    """
    name = manifest.metadata.entry_point
    root = Path(os.path.realpath(folder))
    path = Path(os.path.realpath(root / name))
    place = at or Place(str(folder / "plugin.toml"), key="metadata.entry_point")
    plugin = manifest.metadata.id
    if os.path.isabs(name) or not path.is_relative_to(root) or path == root:
        raise EntryPointError(
            f"the entry point `{name}` lies outside the plugin's folder",
            code="entry-point-outside",
            place=place,
            plugin=plugin,
            hint="name a file in the plugin's folder, relative to it, without `..`",
        )
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise EntryPointError(
            f"the entry point `{name}` can't be read: {error.strerror}",
            place=place,
            plugin=plugin,
            hint=_nearby(root, name) if isinstance(error, FileNotFoundError) else None,
        ) from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise EntryPointError(f"the entry point `{name}` is not a file", place=place, plugin=plugin)
        head = os.read(fd, _HEAD)
    finally:
        os.close(fd)
    return Entry(path, path.suffix.lower(), head, manifest.runtime_type)


def _nearby(root: Path, name: str) -> str | None:
    import difflib

    try:
        files = [e.name for e in os.scandir(root) if e.is_file()]
    except OSError:
        return None
    if "Makefile" in files and kind_of(name) in {"native", "wasm"}:
        return f"it has to be built first: make -C {root}"
    near = difflib.get_close_matches(name, files, 1)
    return f"did you mean `{near[0]}`?" if near else None


def choose(entry: Entry, loaders: Sequence[Loader], order: Sequence[str] = (), *, plugin: str = "") -> Loader:
    """Return the loader that runs this entry point.

    Among those that claim it, the user's `loader_order` decides first, then the surest probe, then the
    name. Raises LoaderMissing with the distribution to install where the kind is known, EntryPointError
    where it isn't.
    """
    claims = [(loader, fit) for loader in loaders if (fit := loader.probe(entry)) > Fit.NO]
    if claims:
        ranks = {name: rank for rank, name in enumerate(order)}
        return min(claims, key=lambda c: (ranks.get(c[0].name, len(ranks)), -c[1], c[0].name))[0]
    place = Place(str(entry.path))
    kind = kind_of(entry.path.name, entry.declared, entry)
    if kind in DISTRIBUTIONS:
        raise LoaderMissing(
            f"no installed loader runs {kind} plugins",
            place=place,
            plugin=plugin or None,
            hint=f"pip install {DISTRIBUTIONS[kind]}",
        )
    have = ", ".join(sorted({e for loader in loaders for e in loader.extensions})) or "none"
    told = f" of type `{entry.declared}`" if entry.declared else ""
    raise EntryPointError(
        f"the entry point `{entry.path.name}`{told} is of no kind that DevKit knows",
        code="entry-point-kind",
        place=place,
        plugin=plugin or None,
        hint=f"installed loaders take: {have}; see `devkit loader list`, or set [runtime] type",
    )


def kind_of(entry_point: str, declared: str | None = None, entry: Entry | None = None) -> str:
    """Return the kind an entry point shows, by name or, where its bytes are known, by them; or nothing."""
    if declared:
        return declared
    suffix = os.path.splitext(entry_point)[1].lower()
    for kind, extensions in _EXTENSIONS.items():
        if suffix in extensions:
            return kind
    if entry is not None:
        program = entry.shebang.split("/")[-1].removeprefix("env ").strip()
        for kind, names in _SHEBANGS.items():
            if program.startswith(names):
                return kind
        for kind, magics in _MAGIC.items():
            if entry.head.startswith(magics):
                return kind
    return ""
