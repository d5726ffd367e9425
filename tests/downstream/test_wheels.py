"""The wheels in empty environments: the core alone, then one loader, with nothing else changed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: loader, its extra, the language of its template, the programs that building a plugin needs
LOADERS = [
    ("python", "", "python", ()),
    ("native", "", "c", ("make", "gcc")),
    ("wasm", "", "wat", ()),
    ("node", "[node]", "javascript", ()),
]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    members = ["devkit_core", *(f"devkit_loaders/{name}" for name, *_ in LOADERS)]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder]
        + [str(ROOT / member) for member in members],
        check=True,
    )
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("loader", "extra", "language", "programs"), LOADERS, ids=[n for n, *_ in LOADERS])
def test_core_first_then_a_loader(wheels, tmp_path, loader, extra, language, programs):
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    venv, project, home = tmp_path / "venv", tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)

    def run(*command, status=0):
        done = subprocess.run(
            [venv / "bin" / "devkit", *command],
            cwd=project,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stderr
        return done

    def install(name, extra=""):
        (wheel,) = wheels.glob(f"{name}-*.whl")
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", f"{wheel}{extra}"], check=True)

    # the plugin is made by this environment, since the fresh one has no templates yet
    made = [
        Path(sys.executable).with_name("devkit"),
        "-C",
        project,
        "plugin",
        "new",
        "hello",
        "--lang",
        language,
    ]
    subprocess.run(made, check=True, capture_output=True)
    if "make" in programs:
        subprocess.run(["make", "-s", "-C", project / "plugins" / "hello"], check=True)

    install("devkit_core")
    assert "hello" in run("plugin", "list").stdout
    manifest = project / "plugins" / "hello" / "plugin.toml"
    needs_runtime = "-runtime" in manifest.read_text()
    refused = run("plugin", "run", "hello", "world", status=5 if needs_runtime else 3)
    assert f"error[{'dependency' if needs_runtime else 'loader'}-missing]" in refused.stderr
    assert re.search(rf'pip install "?devkit-loader-{loader}\b', refused.stderr)
    assert refused.stdout == ""

    install(f"devkit_loader_{loader}", extra)
    assert run("plugin", "run", "hello", "world").stdout == "WORLD"
    assert run("plugin", "new", "fresh", "--lang", language).returncode == 0
