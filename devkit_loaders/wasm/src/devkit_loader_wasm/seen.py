"""What is known of files that were loaded before."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from devkit_loader_wasm.engine import SETTINGS, version
from devkit_loader_wasm.sections import Module, Signature

__all__ = ["SUFFIX", "read", "stamp", "write"]

#: of a record's file name
SUFFIX = ".seen"
_SETTLED = 2.0  # seconds: a file that was changed in the last moment may change again in the same one
_LARGEST = 256 * 1024  # bytes of a record; a module with more of an outside is read each time


def stamp(facts: os.stat_result) -> str | None:
    """Return what a file's content is known by, which no change of it leaves; None where one may.

    The time of a file's last change can't be set: writing to it makes it now. What is read has to be read
    after this.
    """
    if facts.st_ctime > time.time() - _SETTLED:
        return None
    told = facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
    return hashlib.sha256(repr((told, version(), SETTINGS)).encode()).hexdigest()


def read(record: Path) -> tuple[Module, str] | None:
    """Return a module's outside and its artefact's name, None where there is no such record."""
    try:
        known = json.loads(record.read_bytes())
        imports = tuple((str(source), str(name), str(kind)) for source, name, kind in known["imports"])
        functions = {name: Signature(tuple(t), tuple(g)) for name, (t, g) in known["functions"].items()}
        exports = {name: str(kind) for name, kind in known["exports"].items()}
        return Module(imports, exports, functions, known["starts"] is True), str(known["artefact"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(record: Path, module: Module, artefact: str) -> None:
    """Keep a record; where that fails, the module is read again the next time."""
    told = {
        "artefact": artefact,
        "imports": module.imports,
        "exports": module.exports,
        "functions": {name: (each.takes, each.gives) for name, each in module.functions.items()},
        "starts": module.starts,
    }
    data = json.dumps(told).encode()
    if len(data) > _LARGEST:
        return
    made = record.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        made.write_bytes(data)
        os.replace(made, record)
