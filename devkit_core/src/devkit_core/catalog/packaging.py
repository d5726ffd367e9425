"""Makes a plugin's package from its folder, and verifies packages."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from devkit_core.catalog.acquiring import check_plugin, open_archive
from devkit_core.catalog.names import BOUNDS, Bounds
from devkit_core.catalog.packing import collect, pack
from devkit_core.catalog.trees import Tree
from devkit_core.errors import Place, StateError

__all__ = ["facts_of", "package", "verify_file"]


def package(
    folder: Path, output: Path | None, *, dry_run: bool = False, bounds: Bounds = BOUNDS
) -> tuple[Path, dict[str, Any]]:
    """Write a plugin's `.dkp` and return its path and facts; it is read back before it counts.

    `output` is a file, or the folder for ID-VERSION.dkp. Raises what installing it would raise.
    """
    with tempfile.TemporaryDirectory(prefix="devkit-pack-") as room:
        files = Path(room) / "files"
        files.mkdir()
        tree = collect(folder, files, bounds=bounds)
        manifest = check_plugin(files, tree, str(folder))
        root = f"{manifest.id}-{manifest.version}"
        made = Path(room) / f"{root}.dkp"
        with open(made, "wb") as file:
            pack(files, tree, root, file)
        facts = verify_file(made, bounds=bounds)
        target = output if output is not None and not output.is_dir() else (output or Path()) / made.name
        if not dry_run:
            _place(made, target)
    return target, facts


def _place(made: Path, target: Path) -> None:
    """Copy a finished package to where it belongs, in one step."""
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(made.read_bytes())
        os.replace(name, target)
    except OSError as error:
        with suppress(OSError):
            os.unlink(name)
        raise StateError(
            f"{target} can't be written: {error.strerror or error}",
            code="state-unwritable",
            place=Place(str(target)),
            hint="Name another place with -o.",
        ) from error


def verify_file(path: Path, *, bounds: Bounds = BOUNDS) -> dict[str, Any]:
    """Check an archive as installing it would, and return its facts; raises the same errors."""
    with tempfile.TemporaryDirectory(prefix="devkit-verify-") as room:
        files = Path(room) / "files"
        files.mkdir()
        folder, tree = open_archive(path, files, str(path), bounds)
        manifest = check_plugin(folder, tree, str(path))
    data = path.read_bytes()
    return facts_of(manifest.id, manifest.version, tree, hashlib.sha256(data).hexdigest(), len(data))


def facts_of(plugin: str, version: str, tree: Tree, sha256: str, size: int) -> dict[str, Any]:
    """Return what a package is as JSON-ready data."""
    return {
        "id": plugin,
        "version": version,
        "content": tree.digest,
        "sha256": sha256,
        "size": size,
        "files": {name: fact.as_data() for name, fact in tree.files.items()},
    }
