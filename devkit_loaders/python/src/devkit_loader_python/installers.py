"""uv and pip: versions looked up, wheels put into a folder."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit_core.api import (
    DependencyConflict,
    DevKitError,
    IntegrityError,
    LoadError,
    NetworkError,
    read_bounded,
)
from devkit_loader_python.requirements import named, read_lock

__all__ = ["Follow", "Installer", "find"]

_SECONDS = 900.0  # for one run: large wheels over a slow line
_REPORT = 64 << 20  # bytes of pip's report, which has the whole metadata of each package
_TICK = 0.1
_TOLD_AFTER = 1.0
_SHOWN = 600  # characters of what the tool said
# What would put the packages elsewhere, build them, or choose another interpreter.
_UNWANTED = (
    *("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE"),
    *(
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_PYTHON",
        "PIP_REPORT",
    ),
    *("PIP_DRY_RUN", "PIP_NO_DEPS", "PIP_REQUIRE_HASHES", "PIP_QUIET", "PIP_VERBOSE", "PIP_LOG"),
)
#: what uv calls pip's settings of where packages come from, and the names it may have them by already
_AS_UV = (
    ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
    ("PIP_EXTRA_INDEX_URL", "UV_INDEX", ("UV_INDEX", "UV_EXTRA_INDEX_URL")),
    ("PIP_FIND_LINKS", "UV_FIND_LINKS", ("UV_FIND_LINKS",)),
    ("PIP_CERT", "SSL_CERT_FILE", ("SSL_CERT_FILE",)),
)
_UNREACHED = re.compile(
    r"from versions: none|not found in the (package registry|provided package locations)"
    r"|network (was|is) disabled|Failed to fetch|error sending request"
    r"|Retrying|Connection|timed out|HTTP error"
)
_NO_SET = re.compile(r"No solution found|ResolutionImpossible|No matching distribution found")
_MISMATCH = re.compile(r"Hash mismatch|DO NOT MATCH THE HASHES")
_OFF = ("", "0", "n", "no", "f", "false", "off")
_SAID = re.compile(r"^\s*(?:error|ERROR|cause|hint):\s*")


class Follow:
    """Follows one making of an environment: tells once where it takes over a second, and can end it.

    `tell` is called in the thread that makes; `stop` may be called from any other.
    """

    def __init__(self, tell: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic):
        self._tell = tell
        self._clock = clock
        self._began = clock()
        self._told = False
        self._stopped = False

    def stop(self) -> None:
        """End what is followed soon, since nobody waits for it any more."""
        self._stopped = True

    def tick(self) -> None:
        """Called some times a second while there is work; raises LoadError where it is to stop."""
        if self._stopped:
            raise LoadError("nobody waits for the packages any more")
        if not self._told and self._clock() - self._began > _TOLD_AFTER:
            self._told = True
            self._tell()


@dataclass(frozen=True, slots=True)
class Installer:
    """A tool that asks the package index: `uv` or `pip`, by the command that runs it.

    Both take wheels only, so that no code of a package runs here, and are set up by their user: by
    environment variables and files of settings.
    """

    kind: str
    command: tuple[str, ...]

    def version(self) -> str:
        """Return what the tool says of itself; a text without a version where it can't be run."""
        try:
            ran = subprocess.run([*self.command, "--version"], capture_output=True, timeout=20, check=False)
        except (OSError, subprocess.SubprocessError):
            return f"{self.kind}, which doesn't run"
        return " ".join(ran.stdout.decode("utf-8", "replace").split()[:2])

    def lock(self, requirements: Sequence[str], folder: Path, follow: Follow) -> str:
        """Return the lock of a set of requirements; the folder is for files of passage.

        Raises NetworkError `python-packages-unavailable` where the index can't be had,
        DependencyConflict `python-packages-conflict` where no set of wheels will do.
        """
        asked, made = folder / "asked.txt", folder / "made"
        asked.write_text("".join(f"{each}\n" for each in requirements))
        if self.kind == "uv":
            words = ["pip", "compile", "--no-build", "--generate-hashes", "--no-header", "--no-annotate"]
            words += ["--output-file", str(made), str(asked)]
        else:
            words = ["install", "--dry-run", "--ignore-installed", "--only-binary", ":all:", "--no-user"]
            words += ["--report", str(made), "-r", str(asked)]
        self._run(words, folder, requirements, follow)
        try:
            text = read_bounded(made, _REPORT)[0].decode()
            return read_lock(text if self.kind == "uv" else _of_report(json.loads(text)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _failed(
                "python-packages-unavailable", requirements, f"no use of what it wrote: {error}"
            ) from None

    def install(
        self, lock: str, requirements: Sequence[str], target: Path, folder: Path, follow: Follow
    ) -> None:
        """Put the wheels that a lock names into a folder; the hash of each is checked.

        Raises as `lock` does, and IntegrityError `python-packages-mismatch`.
        """
        locked = folder / "lock.txt"
        locked.write_text(lock)
        words = ["install", "--target", str(target), "--no-deps", "--require-hashes", "-r", str(locked)]
        if self.kind == "uv":
            # copies: a file that is linked to the cache would be damaged there too, and then come back
            words = ["pip", *words, "--no-build", "--link-mode", "copy", "--compile-bytecode"]
        else:
            words += ["--only-binary", ":all:", "--no-user"]
        self._run(words, folder, requirements, follow)
        (target / ".lock").unlink(missing_ok=True)  # uv's own

    def _run(self, words: Sequence[str], folder: Path, requirements: Sequence[str], follow: Follow) -> None:
        until = time.monotonic() + _SECONDS
        if self.kind == "uv":
            words = [*words, "--no-progress", "--python", sys.executable]
            if os.environ.get("PIP_NO_INDEX", "0").lower() not in _OFF:  # uv has no variable for it
                words.append("--no-index")
        else:
            words = [*words, "--progress-bar", "off", "--no-color"]
        try:
            process = subprocess.Popen(
                [*self.command, *words],
                cwd=folder,  # no project's settings count
                env=_environment(self.kind, os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise _failed(
                "python-installer-missing", requirements, f"{self.command[0]}: {error.strerror}"
            ) from error
        try:
            while True:
                try:
                    output = process.communicate(timeout=_TICK)[0].decode("utf-8", "replace")
                    break
                except subprocess.TimeoutExpired:
                    follow.tick()
                    if time.monotonic() > until:
                        raise _failed(
                            "python-packages-unavailable", requirements, f"no end after {_SECONDS:g} s"
                        ) from None
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode != 0:
            raise _failed(_code(output), requirements, _said(output))


def find() -> Installer | None:
    """Return the tool to use here: uv, as a command or a module, else pip; None where there is neither."""
    if (uv := shutil.which("uv")) is not None:
        return Installer("uv", (uv,))
    for kind in ("uv", "pip"):
        if importlib.util.find_spec(kind) is not None:
            return Installer(kind, (sys.executable, "-I", "-m", kind))
    for name in ("pip", "pip3"):
        if (pip := shutil.which(name)) is not None:
            return Installer("pip", (pip, "--python", sys.executable))
    return None


def _environment(kind: str, environ: Mapping[str, str]) -> dict[str, str]:
    found = {k: v for k, v in environ.items() if k not in _UNWANTED and not k.startswith("PYTHON")}
    found |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "NO_COLOR": "1"}
    if kind == "uv":
        for pip, uv, names in _AS_UV:
            if pip in found and not any(name in found for name in names):
                found[uv] = ",".join(found[pip].split()) if uv == "UV_FIND_LINKS" else found[pip]
    return found


def _of_report(report: Any) -> str:
    lines = []
    for each in report["install"]:
        made = each["metadata"]
        sha256 = each["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{made['name']}=={made['version']} --hash=sha256:{sha256}\n")
    return "".join(lines)


def _code(output: str) -> str:
    if _MISMATCH.search(output):
        return "python-packages-mismatch"
    if _NO_SET.search(output) and not _UNREACHED.search(output):
        return "python-packages-conflict"
    return "python-packages-unavailable"


def _said(output: str) -> str:
    """Return what a tool said went wrong, in one line."""
    lines = output.splitlines()
    start = next((n for n, line in enumerate(lines) if re.match(r"\s*(error|ERROR)\b", line)), 0)
    said = " ".join(_SAID.sub("", line).strip() for line in lines[start:] if line.strip())
    said = said.removeprefix("No solution found when resolving dependencies ")
    return said[:_SHOWN] + ("…" if len(said) > _SHOWN else "") if said else "it gave no reason"


def _failed(code: str, requirements: Sequence[str], said: str) -> DevKitError:
    meant = [each for each in requirements if re.search(rf"(?i)\b{_pattern(each)}\b", said)] or requirements
    kinds: dict[str, tuple[type[DevKitError], str, str]] = {
        "python-installer-missing": (LoadError, "can't be installed", "python3 -m pip install uv"),
        "python-packages-mismatch": (
            IntegrityError,
            "came with other bytes than were locked",
            "ask the index's keeper why a published file has changed",
        ),
        "python-packages-conflict": (
            DependencyConflict,
            "can't be satisfied together",
            "loosen the versions, or choose packages that have wheels for this Python",
        ),
        "python-packages-unavailable": (
            NetworkError,
            "can't be had",
            "check the name, the network and the index's settings; or ship it in the plugin's folder",
        ),
    }
    kind, what, hint = kinds[code]
    return kind(f"{', '.join(meant)} {what}: {said}", code=code, hint=hint)


def _pattern(requirement: str) -> str:
    return re.escape(named(requirement)).replace(r"\-", "[-_.]+")
