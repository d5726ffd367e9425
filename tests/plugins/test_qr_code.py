"""The qr-code plugin, built from its source, against another encoder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from qrcode import QRCode
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.util import MODE_8BIT_BYTE, QRData

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import PluginRaised
from devkit_core.manager import PluginManager

SOURCE = Path(__file__).parents[2] / "plugins" / "qr-code"
QUIET = 4
LEVELS = {0b01: "L", 0b00: "M", 0b11: "Q", 0b10: "H"}
CORRECTION = {"L": ERROR_CORRECT_L, "M": ERROR_CORRECT_M, "Q": ERROR_CORRECT_Q, "H": ERROR_CORRECT_H}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project with the plugin in it, built."""
    for program in ("clang", "wasm-ld", "make"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    project = tmp_path_factory.mktemp("project")
    folder = project / "plugins" / "qr-code"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("*.wasm"))
    flags = "CFLAGS=-O2 -Wall -Wextra -Wpedantic -Werror"
    subprocess.run(["make", "-C", folder, flags], check=True, capture_output=True)
    return project


@pytest.fixture
async def handle(built, tmp_path):
    config = PluginSystemConfig(initialize_timeout=20)
    places = Places.under(tmp_path / "home", project=built)
    async with PluginManager(config, places=places, control=False) as manager:
        yield await manager.load("qr-code")


def modules(svg: str) -> list[bytearray]:
    """Return a code's modules, without the quiet ones around it."""
    width = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])
    size = width - 2 * QUIET
    rows = [bytearray(size) for _ in range(size)]
    path = re.findall(r' d="([^"]*)"', svg)[1]
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1H(\d+)z", path)
    assert "".join(f"M{x} {y}h{n}v1H{back}z" for x, y, n, back in runs) == path
    for x, y, length, back in runs:
        assert x == back
        for column in range(int(length)):
            rows[int(y) - QUIET][int(x) - QUIET + column] = 1
    return rows


def facts(rows: list[bytearray]) -> tuple[int, str, int]:
    """Return version, level and mask, read from the code itself."""
    format = 0
    for column in (0, 1, 2, 3, 4):
        format = format << 1 | rows[8][column]
    format ^= 0b10101
    return (len(rows) - 17) // 4, LEVELS[format >> 3], format & 7


def other(data: bytes, level: str, **how) -> QRCode:
    """Return what another encoder makes of the bytes."""
    code = QRCode(error_correction=CORRECTION[level], border=0, **how)
    code.add_data(QRData(data, mode=MODE_8BIT_BYTE), optimize=0)
    code.make(fit="version" not in how)
    return code


@pytest.mark.parametrize("size", [0, 1, 14, 17, 60, 130, 213, 400, 1000, 2331, 2332, 2953])
async def test_each_module_is_where_another_encoder_has_it(handle, size):
    data = bytes((7 * n + n // 3) % 256 for n in range(size))
    rows = modules(str(await handle.execute(data), "ascii"))
    version, level, mask = facts(rows)
    expected = other(data, level, version=version, mask_pattern=mask).modules
    assert [bytes(row) for row in rows] == [bytes(map(bool, row)) for row in expected]
    assert version == other(data, "M" if size <= 2331 else "L", mask_pattern=0).version


async def test_the_level_is_raised_where_there_is_room(handle):
    found = [facts(modules(await handle.execute("x" * size)))[:2] for size in (7, 8, 11, 12, 14, 15)]
    assert found == [(1, "H"), (1, "Q"), (1, "Q"), (1, "M"), (1, "M"), (2, "Q")]


async def test_too_much_is_an_error_that_says_so(handle):
    for size in (2954, 100_000, 5 << 20):
        with pytest.raises(PluginRaised, match="at most 2953 bytes"):
            await handle.execute("x" * size)
    assert (await handle.execute("on")).startswith("<svg")


async def test_the_same_instance_answers_the_same(handle):
    first = await handle.execute("one")
    for n in range(40):
        await handle.execute("x" * (n * 70))
    assert await handle.execute("one") == first


def test_the_readme_s_example(built, tmp_path):
    shown = re.search(r"```console\n(.*?)```", (SOURCE / "README.md").read_text(), re.DOTALL)[1]
    commands = re.findall(r"^\$ (.*)$", shown, re.MULTILINE)
    environment = {"DEVKIT_HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    script = (
        "cd $(mktemp -d)\nexport DEVKIT_PLUGIN_PATH=" + str(built / "plugins") + "\n" + "\n".join(commands)
    )
    done = subprocess.run(["sh", "-ec", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == re.sub(r"^\$ .*\n", "", shown, flags=re.MULTILINE).rstrip("\n")
