"""Puts the catalogue of the checkout's plugins into the wheel and the source archive."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_INSIDE = "devkit_marketplace/catalogue"


class Catalogue(BuildHookInterface):  # type: ignore[misc]
    """Exports `../plugins` and has it packed; an editable install makes its catalogue when it is used."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        root = Path(self.root)
        if version == "editable" or (root / "src" / _INSIDE / "index.json").is_file():
            return
        sys.path[:0] = [str(root / "src"), str(root.parent / "devkit_core" / "src")]
        from devkit_marketplace.export import export

        self._room = tempfile.TemporaryDirectory(prefix="devkit-catalogue-")
        made = Path(self._room.name, "catalogue")
        export(root.parent / "plugins", made)
        inside = f"src/{_INSIDE}" if self.target_name == "sdist" else _INSIDE
        build_data["force_include"][str(made)] = inside

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the archive is written."""
        room = getattr(self, "_room", None)
        if room is not None:
            room.cleanup()
