"""What CI has to have is demanded by name, and a skip for want of it fails."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "tools" / "ci-setup"


def names():
    return dict(re.findall(r'^    "([a-z+-]+)": r"(.+)",$', (ROOT / "conftest.py").read_text(), re.M))


@pytest.fixture
def suite(tmp_path):
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_module.py").write_text(
        "import pytest\npytest.skip('needs git', allow_module_level=True)\n"
    )
    (tmp_path / "test_one.py").write_text(
        "import pytest\n"
        "def test_skips(): pytest.skip('needs gcc')\n"
        "@pytest.fixture\n"
        "def node(): pytest.skip('needs Node.js 22.18 or newer: none')\n"
        "def test_fixture(node): pass\n"
        "def test_other(): pytest.skip('needs root')\n"
    )

    def run(required):
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
            env={**os.environ, "DEVKIT_REQUIRE": required},
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )

    return run


def test_skips_for_what_is_required_fail(suite):
    assert "4 skipped" in suite("").stdout
    done = suite("cc,node")
    assert done.returncode == 1
    assert "1 failed, 2 skipped, 1 error" in done.stdout
    assert "DEVKIT_REQUIRE names cc, and yet: Skipped: needs gcc" in done.stdout
    assert "and yet: Skipped: needs git" in suite("git").stdout


def test_an_unknown_name_is_refused(suite):
    done = suite("cobol")
    assert done.returncode == 4
    assert "cobol" in done.stderr


def test_the_setup_names_only_what_the_hook_knows():
    done = subprocess.run([SETUP, "--list"], capture_output=True, text=True, check=True)
    there = set(done.stdout.strip().split(",")) - {""}
    missing = set(re.findall(r"^missing: (\S+) ", done.stderr, re.M))
    assert there | missing <= set(names())
    assert {"cc", "wasm-c"} <= there | missing
    assert not there & missing


def test_the_setup_does_without_a_right_to_install(tmp_path):
    """Where nothing is there and nothing can be installed, it names all and goes on."""
    for program in ("bash", "env", "id", "printf"):
        (tmp_path / program).symlink_to(shutil.which(program))
    done = subprocess.run(
        [tmp_path / "bash", SETUP, "--list"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "missing: cc (gcc libc6-dev)" in done.stderr
    assert "cc" not in done.stdout.split(",")
