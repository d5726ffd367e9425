"""Gets the peers, by name from the package registries, into a cache folder."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "devkit-benchmarks"
#: what Python peers come from; those that can't be had stop no other
PACKAGES = ("uvloop", "rpyc", "Pyro5", "execnet", "extism", "hatch")


class Missing(Exception):
    """A peer can't be had; the message says why."""


def _run(command: Sequence[str | Path], seconds: float, cwd: Path | None = None) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"`{' '.join(words[:3])}`: {type(error).__name__}") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Missing(f"`{' '.join(words[:3])}` failed: {last}")


@functools.cache
def environment() -> Path:
    """Return a virtual environment with the Python peers; packages that can't be had are left out."""
    folder = HOME / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    stamp, wanted = folder / "packages.txt", "\n".join(PACKAGES)
    if not stamp.exists() or stamp.read_text() != wanted:
        python = folder / "bin" / "python"
        if not python.exists():
            HOME.mkdir(parents=True, exist_ok=True)
            _run([sys.executable, "-m", "venv", folder], 120)
        pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            _run([*pip, *PACKAGES], 300)
            stamp.write_text(wanted)
        except Missing:
            for package in PACKAGES:
                try:
                    _run([*pip, package], 60)
                except Missing as why:
                    print(f"note: {package}: {why}", file=sys.stderr)
    return folder


@functools.cache
def packages() -> str:
    """Return the folder that the Python peers' modules are in, or nothing; each then says so."""
    try:
        return str(next(iter(environment().glob("lib/python*/site-packages")), ""))
    except (Missing, OSError) as why:
        print(f"note: no peers in Python: {why}", file=sys.stderr)
        return ""


@functools.cache
def goplugin() -> tuple[Path, Path]:
    """Return go-plugin's host and its plugin: one program twice, so that they share no memory."""
    if shutil.which("go") is None:
        raise Missing("there is no Go here")
    source, work = HERE / "goplugin", HOME / "goplugin"
    host, plugin = work / "host", work / "plugin"
    files = sorted(source.iterdir())
    if not plugin.exists() or plugin.stat().st_mtime < max(file.stat().st_mtime for file in files):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for file in files:
            shutil.copy(file, work)
        _run(["go", "mod", "tidy"], 180, work)
        _run(["go", "build", "-o", host, "."], 400, work)
        shutil.copy(host, plugin)
    return host, plugin
