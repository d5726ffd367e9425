"""Plugin folders made in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
