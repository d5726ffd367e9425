"""A project of its own for each test, and devkit run in this process or in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from devkit_core.cli.main import root

MANIFEST = """\
[metadata]
id = "{id}"
name = "{id}"
version = "{version}"
description = "{description}"
author = "Somebody"
entry_point = "plugin.py"
{more}
"""
UPPER = "def execute(text):\n    return text.upper()\n"


class Project:
    """A folder with plugins, and a DEVKIT_HOME beside it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home
        self.plugins = folder / "plugins"

    def plugin(
        self,
        id: str,
        code: str = UPPER,
        *,
        version: str = "1.0.0",
        description: str = "A plugin",
        more: str = "",
        parent: Path | None = None,
    ) -> Path:
        made = (parent or self.plugins) / id
        made.mkdir(parents=True)
        text = MANIFEST.format(id=id, version=version, description=description, more=more)
        (made / "plugin.toml").write_text(text)
        (made / "plugin.py").write_text(code)
        return made

    def environ(self, **more: str) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "DEVKIT_HOME": str(self.home), **more}

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run devkit in a process of its own."""
        command = [sys.executable, "-c", "from devkit_core.cli.main import run; run()", *arguments]
        more = {"cwd": self.folder, "env": self.environ(), "capture_output": True, "timeout": 60, **more}
        if "stdout" in more:
            more["capture_output"] = False
        return subprocess.run(command, check=False, **more)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "project", tmp_path / "home")
    made.plugins.mkdir(parents=True)
    made.home.mkdir()
    for name in [name for name in os.environ if name.startswith("DEVKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DEVKIT_HOME", str(made.home))
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def devkit(project: Project) -> Callable[..., Result]:
    def run(*arguments: str, code: int | None = 0, **more: Any) -> Result:
        result = CliRunner().invoke(root, arguments, **more)
        if code is not None:
            assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def data(devkit: Callable[..., Result]) -> Callable[..., Any]:
    """Run with `--format json` and return what came out."""

    def run(*arguments: str, **more: Any) -> Any:
        result = devkit(*arguments, "--format", "json", **more)
        return json.loads(result.stdout)

    return run
