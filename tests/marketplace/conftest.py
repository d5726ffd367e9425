"""Folders of plugins and catalogues made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

MANIFEST = """\
[metadata]
id = "{id}"
name = "{id}"
version = "{version}"
description = "Does {id}"
author = "Somebody"
license = "MIT"
tags = ["one", "two"]
entry_point = "{entry}"
updated_at = "2026-01-02T03:04:05Z"
{more}
"""

Make = Callable[..., Path]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def make(plugins: Path) -> Make:
    """Make a plugin's folder; `market` is its marketplace.toml, `inside` a folder below the plugins."""

    def build(
        id: str,
        version: str = "1.0.0",
        *,
        market: str | None = None,
        more: str = "",
        entry: str = "plugin.py",
        code: bytes | None = b"def execute(text):\n    return text\n",
        inside: str | None = None,
    ) -> Path:
        folder = plugins / (inside or id)
        folder.mkdir(parents=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=id, version=version, entry=entry, more=more))
        if code is not None:
            (folder / entry).write_bytes(code)
        if market is not None:
            (folder / "marketplace.toml").write_text(market)
        return folder

    return build
