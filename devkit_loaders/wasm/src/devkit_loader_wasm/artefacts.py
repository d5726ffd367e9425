"""Compiled modules: made in a process of their own, kept by content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.api import LoadError, Place
from devkit_loader_wasm import seen
from devkit_loader_wasm.engine import SETTINGS, version

if TYPE_CHECKING:
    import wasmtime

    from devkit_loader_wasm.sections import Module

__all__ = ["Artefacts"]

_KEPT = 256  # artefacts that are kept; the ones longest unused go first
_UNUSED = 3600  # seconds after which the use of an artefact is noted again
_SUFFIX = ".cwasm"


class Artefacts:
    """A folder of compiled modules, only its owner's.

    An artefact is machine code that is run as it is, so nothing is taken from a folder or a file that
    another user could have written. It is mapped, not read: a file here is replaced or removed, never
    written to, which would change or end the hosts that run it. `say` gets a line when the folder can't
    be used: then each load compiles anew.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say

    def find(self, engine: wasmtime.Engine, path: Path) -> tuple[Module, wasmtime.Module] | None:
        """Return a file's outside and its compiled module where both are kept; reads nothing of the file."""
        if not self.usable():
            return None
        try:
            mark = seen.stamp(os.stat(path))
        except OSError:
            return None
        record = self._folder / f"{mark}{seen.SUFFIX}"
        if mark is None or not _is_ours(record) or (known := seen.read(record)) is None:
            return None
        module, name = known
        compiled = self._open(engine, self._folder / name)
        return (module, compiled) if compiled is not None else None

    def load(
        self,
        engine: wasmtime.Engine,
        source: bytes,
        mark: str | None,
        module: Module,
        path: Path,
        seconds: float,
    ) -> wasmtime.Module:
        """Return the module, compiled now where no artefact of it is kept; blocks, for at most `seconds`.

        `mark` is what the file is known by, as `seen.stamp` gave it before it was read, `module` its outside.
        Raises LoadError `wasm-invalid`, `wasm-compile-timeout` or `wasm-compile-failed`.
        """
        import wasmtime

        if not self.usable(self._say):
            with tempfile.TemporaryDirectory(prefix="devkit-wasm-") as folder:
                made = self._compile(source, Path(folder), path, seconds)
                return wasmtime.Module.deserialize(engine, made.read_bytes())
        kept = self._folder / (_name(source, version()) + _SUFFIX)
        compiled = self._open(engine, kept)
        if compiled is None:
            made = self._compile(source, self._folder, path, seconds)
            os.replace(made, kept)
            compiled = wasmtime.Module.deserialize_file(engine, str(kept))
        if mark is not None:
            seen.write(self._folder / f"{mark}{seen.SUFFIX}", module, kept.name)
        self._prune()
        return compiled

    @staticmethod
    def _open(engine: wasmtime.Engine, kept: Path) -> wasmtime.Module | None:
        """Map an artefact, and note that it is used; None where there is none that is ours and fits."""
        import wasmtime

        facts = _is_ours(kept)
        if facts is None:
            return None
        try:
            module = wasmtime.Module.deserialize_file(engine, str(kept))
        except wasmtime.WasmtimeError:  # of another processor, or damaged: made anew
            return None
        if facts.st_mtime < time.time() - _UNUSED:
            with contextlib.suppress(OSError):
                os.utime(kept)
        return module

    def usable(self, say: Callable[[str], None] = lambda text: None) -> bool:
        """Say whether the folder is there and only ours; `say` gets a line about one that isn't."""
        try:
            try:
                facts = os.lstat(self._folder)
            except FileNotFoundError:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                facts = os.lstat(self._folder)
        except OSError as error:
            say(f"{self._folder} can't be used, so modules are compiled at each load: {error.strerror}")
            return False
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            say(f"{self._folder} belongs to someone else, so modules are compiled at each load")
            return False
        if facts.st_mode & 0o077:
            say(f"{self._folder} is open to others, so modules are compiled at each load: chmod 700 it")
            return False
        return os.access(self._folder, os.W_OK | os.X_OK)

    def _compile(self, source: bytes, folder: Path, path: Path, seconds: float) -> Path:
        """Compile in a child and return the file it made, which is the caller's to move or remove."""
        descriptor, name = tempfile.mkstemp(prefix=".new-", dir=folder)
        os.close(descriptor)
        os.unlink(name)  # the child makes it anew, and fails if someone else has
        command = [sys.executable, "-I", "-m", "devkit_loader_wasm.compiler", name]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={}
        )
        try:
            _, said = child.communicate(source, timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            Path(name).unlink(missing_ok=True)
            raise LoadError(
                f"{path.name} was not compiled within {seconds:g} s",
                code="wasm-compile-timeout",
                place=Place(str(path)),
                hint="raise initialize_timeout, or build a smaller module (-O, strip)",
            ) from None
        if child.returncode == 0:
            return Path(name)
        Path(name).unlink(missing_ok=True)
        told = said.decode("utf-8", "replace").strip()
        if child.returncode == 3:
            raise LoadError(
                f"{path.name} is no valid WebAssembly module: {' '.join(told.split())[:1000]}",
                code="wasm-invalid",
                place=Place(str(path)),
            )
        last = told.splitlines()[-1][:500] if told else ""
        raise LoadError(
            f"compiling {path.name} ended with status {child.returncode}{': ' + last if last else ''}",
            code="wasm-compile-failed",
            place=Place(str(path)),
        )

    def _prune(self) -> None:
        """Remove what is longest unused, beyond what is kept; others may do so at once."""
        for suffix, limit in ((_SUFFIX, _KEPT), (seen.SUFFIX, 4 * _KEPT)):
            with contextlib.suppress(OSError):
                entries = [e for e in os.scandir(self._folder) if e.name.endswith(suffix)]
                found = sorted((e.stat().st_mtime, e.path) for e in entries)
                for _, old in found[: max(0, len(found) - limit)]:
                    os.unlink(old)


def _name(source: bytes, version: str) -> str:
    return f"{hashlib.sha256(source).hexdigest()}-{version}-{SETTINGS}"


def _is_ours(path: Path) -> os.stat_result | None:
    """Return the facts of a plain file that only its owner, who we are, can have written, else None."""
    try:
        facts = os.lstat(path)
    except OSError:
        return None
    ours = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
    return facts if ours else None
