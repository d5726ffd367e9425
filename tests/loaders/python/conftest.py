"""Wheels written by the tests, a folder of them as the only index, and a manager that loads plugins."""

import base64
import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import os
import sys
import sysconfig
import textwrap
import zipfile
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager
from devkit_loader_python.environments import Environments
from devkit_loader_python.installers import Installer, find

MANIFEST = """\
[metadata]
id = "{id}"
name = "A test"
version = "1.0.0"
description = "A test"
author = "DevKit"
entry_point = "plugin.py"
"""


class Index:
    """A folder of wheels that uv and pip are told of as the only place to look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, version: str = "1.0", *, needs=(), tag: str = "py3-none-any", **files) -> Path:
        """Write a wheel: its files by path, or a module of its name that says its version."""
        stem = name.replace("-", "_")
        files = files.pop("files", None) or {f"{stem}.py": f"VERSION = {version!r}\n"}
        info = f"{stem}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in needs)
        pure = str(tag.endswith("any")).lower()
        every = {
            **files,
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: {tag}\n",
        }
        path = self.folder / f"{stem}-{version}-{tag}.whl"
        record = ""
        with zipfile.ZipFile(path, "w") as wheel:
            for inside, content in every.items():
                data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
                wheel.writestr(zipfile.ZipInfo(inside, (2024, 1, 1, 0, 0, 0)), data)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                record += f"{inside},sha256={digest},{len(data)}\n"
            wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
        return path

    def add_installed(self, name: str) -> None:
        """Write a wheel of a distribution that is installed here, with its extension modules."""
        found = importlib.metadata.distribution(name)
        files = {
            str(each): Path(str(found.locate_file(each))).read_bytes()
            for each in found.files or ()
            if ".dist-info" not in str(each) and each.suffix != ".pyc"
        }
        version = f"{sys.version_info[0]}{sys.version_info[1]}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        self.add(name, found.version, tag=f"cp{version}-cp{version}-{platform}", files=files)


@pytest.fixture
def index(tmp_path, monkeypatch) -> Index:
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    return Index(folder)


def by_kind(kind: str) -> Installer:
    found = find()
    if found is not None and found.kind == kind:
        return found
    if importlib.util.find_spec(kind) is None:
        pytest.skip(f"needs {kind}")
    return Installer(kind, (sys.executable, "-I", "-m", kind))


@pytest.fixture(params=["uv", "pip"])
def each_installer(request) -> Installer:
    return by_kind(request.param)


@pytest.fixture
def installer():
    """Return the tool of a kind, `uv` or `pip`; skips where it is missing."""
    return by_kind


@pytest.fixture
def environments(tmp_path) -> Environments:
    """Environments made by the tool that is found here."""
    if find() is None:
        pytest.skip("needs uv or pip")
    return Environments(tmp_path / "environments")


class Bench:
    """Makes plugins below one folder and loads them."""

    def __init__(self, root: Path, manager: PluginManager) -> None:
        self.root = root
        self.manager = manager

    def write(self, source: str, *, id: str = "plugin", more: str = "", **files: str) -> Path:
        folder = self.root / "plugins" / id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=id) + more)
        (folder / "plugin.py").write_text(textwrap.dedent(source))
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return folder

    async def load(self, source: str, **more):
        self.write(source, **more)
        return await self.manager.load(more.get("id", "plugin"))

    def logs(self, id: str = "plugin") -> list[tuple[str, str]]:
        return [(line.stream, line.text) for line in self.manager.logs.lines(id)]


@pytest.fixture
async def bench(tmp_path):
    if find() is None:
        pytest.skip("needs uv or pip")
    root = tmp_path / "project"
    root.mkdir()
    places = dataclasses.replace(Places.under(tmp_path / "home", project=root), cache=tmp_path / "cache")
    async with PluginManager(
        PluginSystemConfig(initialize_timeout=20), places=places, control=False
    ) as manager:
        yield Bench(root, manager)
