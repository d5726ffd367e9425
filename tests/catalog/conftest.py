"""Plugin folders and a source of releases made in a test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from devkit_core.catalog.packaging import package
from devkit_core.loading.folder import read_manifest
from devkit_core.loading.offers import Release, ReleaseNeed
from devkit_core.loading.source import Source

Make = Callable[..., Path]


def manifest(identity: str = "one", version: str = "1.0.0", more: str = "") -> str:
    return f"""\
[metadata]
id = "{identity}"
name = "The {identity}"
version = "{version}"
description = "Does {identity}"
author = "Me"
entry_point = "plugin.py"
{more}"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a plugin folder, `source/folder`, with this manifest; its text wins over the other arguments."""

    def build(path: str, identity: str | None = None, text: str | None = None, **more: str) -> Path:
        folder = tmp_path / path
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(
            text if text is not None else manifest(identity or folder.name, **more)
        )
        (folder / "plugin.py").write_text("raise SystemExit('plugin code ran')\n")
        return folder

    return build


class Shelf(Source):
    """Hands out packages of folders; counts what was asked."""

    def __init__(self, folder: Path, name: str = "shelf", rank: int = 500) -> None:
        self.name = name
        self.rank = rank
        self.folder = folder
        self.releases: list[Release] = []
        self.fetched: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, plugin: Path, **more: object) -> Release:
        manifest = read_manifest(plugin).manifest
        path, _ = package(plugin, self.folder)
        data = path.read_bytes()
        facts: dict[str, object] = {
            "id": manifest.id,
            "version": manifest.version,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "source": self.name,
            "location": path.name,
            "needs": tuple(ReleaseNeed(n.id, n.version, n.optional) for n in manifest.dependencies),
            "permissions": tuple(manifest.permissions),
            "publisher": manifest.metadata.author,
        }
        release = Release(**{**facts, **more})  # type: ignore[arg-type]
        self.releases.append(release)
        return release

    def folders(self) -> list[Path]:
        return []

    def versions(self, plugin: str) -> Sequence[Release]:
        return [each for each in self.releases if each.id == plugin]

    def fetch(self, release: Release, target: Path) -> None:
        self.fetched.append(f"{release.id} {release.version}")
        target.write_bytes((self.folder / release.location).read_bytes())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")
