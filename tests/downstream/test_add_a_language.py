"""The tutorial's loader, built from its text and installed into an environment that has only the core."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "add-a-language.md"
_NOT_RUN = re.compile(r"^<!-- not run.*?^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(bash|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_from_the_text_to_a_plugin_that_runs(tmp_path):
    if shutil.which("perl") is None:
        pytest.skip("needs perl")
    project, venv = tmp_path / "project", tmp_path / "venv"
    project.mkdir()
    page = _NOT_RUN.sub("", PAGE.read_text()).split("## See that")[0]
    for language, text in _BLOCK.findall(page):
        if language == "console":  # only the files that it writes: the loader isn't installed yet
            text = "".join(re.findall(r"^\$ (mkdir .*\n|cat > .*\n(?:.*\n)*?END\n)", text, re.MULTILINE))
        subprocess.run(["bash", "-ec", text], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)

    def run(*command):
        return subprocess.run(
            [venv / "bin" / command[0], *command[1:]],
            cwd=project,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*pip, ROOT / "devkit_core"], check=True)
    subprocess.run([*pip, project / "devkit-loader-perl"], check=True)
    install = [venv / "bin" / "python", "-m", "pip", "install", "-q"]
    subprocess.run([*install, *tmp_path.glob("devkit_core-*.whl")], check=True)
    assert "error[entry-point-kind]" in run("devkit", "plugin", "run", "anagram", "pots").stderr
    subprocess.run([*install, *tmp_path.glob("devkit_loader_perl-*.whl")], check=True)
    ran = run("devkit", "plugin", "run", "anagram", "pots")
    assert ran.stdout == "opst", ran.stderr
    refused = run("devkit", "plugin", "run", "anagram", "</etc/passwd")
    assert "error[plugin-raised]: /etc/passwd: Permission denied" in refused.stderr
