"""The wheels in an empty environment: the core alone, then a loader, with nothing else changed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for member in ("devkit_core", "devkit_loaders/python"):
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "-q",
                "--no-deps",
                "--no-build-isolation",
                "-w",
                folder,
                ROOT / member,
            ],
            check=True,
        )
    return folder


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


def test_core_first_then_the_loader(wheels, venv, tmp_path):
    def run(*command, status=0):
        done = subprocess.run(
            [venv / "bin" / command[0], *command[1:]],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        return done

    def install(name):
        (wheel,) = wheels.glob(f"{name}-*.whl")
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", wheel], check=True)

    folder = tmp_path / "plugins" / "hello"
    folder.mkdir(parents=True)
    (folder / "plugin.toml").write_text(
        '[metadata]\nid = "hello"\nname = "Hello"\nversion = "1.0.0"\ndescription = "greets"\n'
        'author = "a test"\nentry_point = "plugin.py"\n'
    )
    (folder / "plugin.py").write_text("def execute(text: str) -> str:\n    return f'hello {text}'\n")

    install("devkit_core")
    assert "hello" in run("devkit", "plugin", "list").stdout
    refused = run("devkit", "plugin", "run", "hello", "world", status=3)
    assert "error[loader-missing]" in refused.stderr
    assert "pip install devkit-loader-python" in refused.stderr
    assert refused.stdout == ""

    install("devkit_loader_python")
    assert run("devkit", "plugin", "run", "hello", "world").stdout == "hello world"
    assert run("devkit", "plugin", "new", "fresh").returncode == 0
    assert run("devkit", "plugin", "run", "fresh", "x").stdout
