"""Unpacks an archive into a new folder, or refuses it whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from devkit_core.catalog.names import BOUNDS, Bounds
from devkit_core.catalog.tarball import Inflated, Member, ambiguous, read_tar, too_large
from devkit_core.catalog.trees import FILES, Tree, TreeWriter
from devkit_core.catalog.zipped import read_zip
from devkit_core.errors import ArchiveRefused, IntegrityError, Place
from devkit_core.loading.folder import MANIFEST

__all__ = ["extract", "plugin_root", "unpack"]


def extract(file: BinaryIO, name: str, folder: Path, *, bounds: Bounds = BOUNDS) -> tuple[Path, Tree]:
    """Unpack an archive and return the plugin's folder and files; `name` is the archive's, for errors.

    Takes gzipped tar (`.dkp`, `.tar.gz`, `.tgz`) and zip, told apart by their first bytes, the plugin at
    the top or in one folder. `folder` is new, empty and private. Where the archive has a list of its
    files, they are held against it; a `.dkp` has to have one. Raises ArchiveRefused, IntegrityError,
    OSError of the disk; what was written so far is the caller's to remove.
    """
    try:
        tree = unpack(file, folder, bounds)
        root, tree = plugin_root(folder, tree, name)
        if FILES in tree.files:
            tree = _checked(root, tree)
        elif name.lower().endswith(".dkp"):
            raise IntegrityError(f"a .dkp has a {FILES}, and this has none", code="package-listing")
    except IntegrityError as error:
        error.place = error.place or Place(name)
        raise
    return root, tree


def unpack(file: BinaryIO, folder: Path, bounds: Bounds = BOUNDS) -> Tree:
    """Unpack an archive as it is into a new, empty folder; raises ArchiveRefused, OSError."""
    size = os.fstat(file.fileno()).st_size
    if size > bounds.archive:
        raise too_large(
            f"it has {size >> 20} MiB; {bounds.archive >> 20} MiB is the most an archive may have"
        )
    start = file.read(4)
    file.seek(0)
    members: Iterator[Member]
    if start[:2] == b"\x1f\x8b":
        members = read_tar(Inflated(file, bounds).read, bounds)
    elif start[:2] == b"PK":
        members = read_zip(file, bounds)
    else:
        raise ArchiveRefused(
            "it is neither a gzipped tar nor a zip file",
            code="archive-unknown",
            hint="`devkit plugin pack FOLDER` makes a package; .dkp, .tar.gz, .tgz and .zip are taken.",
        )
    return write_all(members, folder, bounds)


def write_all(members: Iterator[Member], folder: Path, bounds: Bounds = BOUNDS) -> Tree:
    """Write an archive's entries into a new, empty folder; raises ArchiveRefused, OSError."""
    with TreeWriter(folder, bounds) as writer:
        for member in members:
            name = member.name
            if name in (".", "./") and member.folder:  # `tar -c .` begins so
                continue
            name = name.removeprefix("./")
            if member.folder:
                writer.folder(name)
                for _ in member.chunks:
                    raise ambiguous(f"the folder {name[:120]!r} has content")
            else:
                writer.file(name, member.chunks, executable=member.executable, size=member.size)
        return writer.finish()


def plugin_root(folder: Path, tree: Tree, name: str) -> tuple[Path, Tree]:
    """Return the plugin's folder in what was unpacked, which is all of it or its one folder.

    Raises ArchiveRefused, which calls it by its name.
    """
    if MANIFEST in tree.files:
        return folder, tree
    tops = {path.partition("/")[0] for path in tree.files}
    if len(tops) == 1:
        top = tops.pop()
        if f"{top}/{MANIFEST}" in tree.files:
            return folder / top, tree.below(top)
    raise ArchiveRefused(
        f"{name[:200]} has no {MANIFEST}, neither at its top nor in its one folder",
        code="archive-no-plugin",
        hint=f"Install the folder that holds {MANIFEST} by its path, or pack it: devkit plugin pack FOLDER",
    )


def _checked(root: Path, tree: Tree) -> Tree:
    """Return the tree without its list, having held one against the other."""
    path = root / FILES
    if tree.files[FILES].size > 8 << 20:
        raise IntegrityError(f"{FILES} is too large", code="package-listing")
    promised = Tree.parse(path.read_bytes(), FILES)
    found = tree.without(FILES)
    differences = promised.differences(found)
    if differences:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise IntegrityError(
            f"the package was modified: {differences[0]}{more}",
            code="package-modified",
            hint="Fetch it again from whoever packed it.",
        )
    path.unlink()
    return found
