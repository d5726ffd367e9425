"""Packs one plugin's folder, building it first where it says how."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath

from devkit_core.api import Manifest, collect, pack
from devkit_marketplace.describing import marketplace_file
from devkit_marketplace.listing import Archive, MarketplaceFile
from devkit_marketplace.platforms import ANY, of_program

__all__ = ["NotBuilt", "Packed", "package"]

_SECONDS = 300


class NotBuilt(Exception):
    """A plugin whose package can't be made on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A package that was written below the catalogue's folder."""

    manifest: Manifest
    about: MarketplaceFile
    archive: Archive


def package(folder: Path, manifest: Manifest, target: Path) -> Packed:
    """Write the package of a plugin's folder below a catalogue's folder, `archives/ID/`.

    The same files always give the same bytes. Raises NotBuilt where a tool is missing or the build fails,
    and DevKitError for a plugin that is wrong; OSError of the disk.
    """
    about = marketplace_file(folder)
    with _built(folder, about) as source, tempfile.TemporaryDirectory(prefix="devkit-pack-") as room:
        files = Path(room, "plugin")
        files.mkdir()
        tree = collect(source, files)
        entry = normpath(manifest.metadata.entry_point)
        if entry not in tree.files:
            raise NotBuilt(f"its entry point {entry} isn't there")
        with open(files / entry, "rb") as file:
            platform = of_program(file.read(8))
        stem = f"{manifest.id}-{manifest.version}"
        path = f"archives/{manifest.id}/{stem}{'' if platform == ANY else f'-{platform}'}.dkp"
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as archive:
            pack(files, tree, stem, archive)
    data = place.read_bytes()
    return Packed(
        manifest,
        about,
        Archive(platform=platform, path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data)),
    )


@contextmanager
def _built(folder: Path, about: MarketplaceFile) -> Iterator[Path]:
    """Give the folder itself where nothing has to be built, or a copy in which the build has run."""
    if about.build is None:
        yield folder
        return
    tool, *arguments = about.build.command
    found = shutil.which(tool)
    if found is None:
        raise NotBuilt(f"{tool} isn't there to build it")
    with tempfile.TemporaryDirectory(prefix="devkit-build-") as room:
        copy = Path(room, folder.name)
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "releases"))
        try:
            done = subprocess.run(
                [found, *arguments],
                cwd=copy,
                env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotBuilt(f"{tool} failed: {error}") from error
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace").strip().splitlines()
            raise NotBuilt(f"{tool} ended with {done.returncode}: {said[-1][:200] if said else 'no output'}")
        yield copy
