"""Plugins from WebAssembly text, loaded by a manager of their own."""

import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.manager import PluginManager

CONFORMANCE = Path(__file__).parents[2] / "conformance" / "wasm-plugin"
MANIFEST = """[metadata]
id = "module"
name = "Module"
version = "1.0.0"
description = "what a test needs"
author = "tests"
entry_point = "module.wat"

[[capabilities]]
capability = "Testing"
"""


@pytest.fixture
def home(tmp_path):
    return Places.under(tmp_path / "home", project=tmp_path / "project")


@pytest.fixture
def write(home):
    """Write the plugin's folder: the module's text, or its bytes, and what the manifest has more."""

    def write(module, more="") -> Path:
        folder = home.project / "plugins" / "module"
        folder.mkdir(parents=True, exist_ok=True)
        name = "module.wat" if isinstance(module, str) else "module.wasm"
        (folder / "plugin.toml").write_text(MANIFEST.replace("module.wat", name) + more)
        (folder / name).write_bytes(module.encode() if isinstance(module, str) else module)
        return folder

    return write


@pytest.fixture
def seconds():
    """What a start may take."""
    return 20.0


@pytest.fixture
async def manager(home, seconds):
    config = PluginSystemConfig(memory_limit_mb=64, initialize_timeout=seconds)
    async with PluginManager(config, places=home, control=False) as manager:
        yield manager


@pytest.fixture
def load(write, manager):
    async def load(module, more=""):
        write(module, more)
        return await manager.load("module")

    return load


@pytest.fixture
async def start(home):
    """Start a manager that grants this to the conformance plugin, which asks for it."""
    async with AsyncExitStack() as stack:

        async def start(*permissions, more=""):
            folder = home.project / "plugins" / "conformance"
            shutil.copytree(CONFORMANCE, folder)
            asked = ", ".join(f'"{each}"' for each in permissions)
            with open(folder / "plugin.toml", "a") as file:
                file.write(f"\n[permissions]\npermissions = [{asked}]\n{more}")
            config = PluginSystemConfig(initialize_timeout=20, default_permissions=permissions)
            manager = PluginManager(config, places=home, control=False)
            await stack.enter_async_context(manager)
            return manager, await manager.load("conformance")

        yield start


def plain(body: str, outside: str = "", memory: str = "1") -> str:
    """Return a module of the plain form: `body` is what devkit_execute does with $at and $size."""
    return f"""(module {outside}
  (memory (export "memory") {memory})
  (func (export "devkit_alloc") (param i32) (result i32) (i32.const 1024))
  (func $execute (export "devkit_execute") (param $at i32) (param $size i32) (result i64) {body}))"""


#: a packed answer: the input itself
ECHO = """(i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32))
  (i64.extend_i32_u (local.get $size)))"""
