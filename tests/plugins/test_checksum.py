"""The checksum plugin, built from its source, against Python's own zlib."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.manager import PluginManager

SOURCE = Path(__file__).parents[2] / "plugins" / "checksum"
DATA = [b"", b"123456789", b"a\0b\xff", bytes(range(256)) * 300, b"x" * (3 << 20), os.urandom(70_000)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project with the plugin in it, built."""
    for program in ("cc", "make"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    probe = subprocess.run(
        ["cc", "-E", "-include", "zlib.h", "-"], input=b"", capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("needs zlib.h")
    project = tmp_path_factory.mktemp("project")
    folder = project / "plugins" / "checksum"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("*.so"))
    flags = "CFLAGS=-O1 -Wall -Wextra -Wpedantic -Werror"
    subprocess.run(["make", "-C", folder, flags], check=True, capture_output=True)
    return project


@pytest.fixture
async def handle(built, tmp_path):
    places = Places.under(tmp_path / "home", project=built)
    async with PluginManager(places=places, control=False) as manager:
        yield await manager.load("checksum")


async def facts(handle, data: bytes) -> dict:
    return json.loads(await handle.execute(data))


@pytest.mark.parametrize("data", DATA, ids=lambda data: f"{len(data)} bytes")
async def test_it_agrees_with_python(handle, data):
    found = await facts(handle, data)
    assert found.pop("deflated") == len(zlib.compress(data))
    assert found == {
        "bytes": len(data),
        "crc32": f"{zlib.crc32(data):08x}",
        "adler32": f"{zlib.adler32(data):08x}",
    }
    for packed in (zlib.compress(data), gzip.compress(data)):
        assert (await facts(handle, packed))["inflated"] == len(data)


async def test_text_is_its_utf8(handle):
    assert (await facts(handle, "żółw".encode())) == json.loads(await handle.execute("żółw"))


async def test_what_is_no_whole_stream_has_no_inflated_size(handle):
    packed = zlib.compress(b"hello " * 100)
    for data in (packed[:-1], packed + b"x", b"\x78\x9c", b"\x1f\x8b", packed[:4] + b"\xff" + packed[5:]):
        assert "inflated" not in await facts(handle, data)


async def test_a_bomb_is_not_followed_to_its_end(handle):
    stream = zlib.compressobj(9)
    piece = bytes(64 << 20)
    bomb = b"".join(stream.compress(piece) for _ in range(17)) + stream.flush()
    assert "inflated" not in await facts(handle, bomb)


@pytest.mark.parametrize(
    ("command", "shown"),
    re.findall(r"^\$ (.*)\n((?:[^$`].*\n)*)", (SOURCE / "README.md").read_text(), re.MULTILINE),
)
def test_the_readmes_examples(built, tmp_path, command, shown):
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "DEVKIT_HOME": str(tmp_path),
    }
    done = subprocess.run(
        ["sh", "-c", command], cwd=built, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout + "\n", done.stderr) == (shown, "")
