"""Libraries built by the tests, and a project to load them in."""

import shutil
import subprocess
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager
from devkit_core.running.handle import PluginHandle

HERE = Path(__file__).parent
MANIFEST = """
[metadata]
id = "subject"
name = "Subject"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "{entry}"
"""
Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile C, or C++ where `cpp`: a source's text, or the name of a file beside this one."""
    made: dict[tuple[object, ...], Path] = {}

    def run(source: str, *flags: str, cpp: bool = False, kind: str = "-shared") -> Path:
        compiler = shutil.which("g++" if cpp else "gcc")
        if compiler is None:
            pytest.skip(f"needs {'g++' if cpp else 'gcc'}")
        key = (source, flags, cpp, kind)
        if key not in made:
            folder = tmp_path_factory.mktemp("library")
            file = HERE / source if source.endswith(".c") else folder / f"plugin.{'cpp' if cpp else 'c'}"
            if not source.endswith(".c"):
                file.write_text(textwrap.dedent(source))
            target = folder / "plugin.so"
            subprocess.run(
                [compiler, kind, "-fPIC", "-w", f"-I{HERE}", "-o", target, file, *flags], check=True
            )
            made[key] = target
        return made[key]

    return run


class Project:
    """A folder with one plugin, `subject`, and a manager that loads it."""

    def __init__(self, root: Path, manager: PluginManager) -> None:
        self.manager = manager
        self.folder = root / "plugins" / "subject"

    def write(self, library: Path | bytes, more: str = "", entry: str = "plugin.so") -> Path:
        file = self.folder / entry
        file.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "plugin.toml").write_text(MANIFEST.format(entry=entry) + more)
        if isinstance(library, bytes):
            file.write_bytes(library)
        else:
            shutil.copyfile(library, file)
        return file

    async def load(self, library: Path | bytes, more: str = "", entry: str = "plugin.so") -> PluginHandle:
        self.write(library, more, entry)
        self.manager.discover()
        return await self.manager.load("subject")

    def logged(self) -> list[str]:
        return [line.text for line in self.manager.logs.lines("subject")]


@pytest.fixture
def config() -> PluginSystemConfig:
    return PluginSystemConfig(max_payload_mb=8, memory_limit_mb=96, initialize_timeout=20)


@pytest.fixture
async def project(tmp_path: Path, config: PluginSystemConfig) -> AsyncIterator[Project]:
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(config, places=places, control=False) as manager:
        yield Project(tmp_path, manager)
    assert list((places.runtime / "scratch").glob("host-*")) == []
