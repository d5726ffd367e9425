"""The worker's own files as one, with which Node.js starts sooner."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path

__all__ = ["WORKER", "joined"]

#: the folder of the worker's files
WORKER = Path(__file__).parent / "worker"
_START = "worker.cjs"
_APART = frozenset({"preload.cjs", "check.cjs"})  # that are started by themselves

_FILE = """'use strict'
// Made of the files in {folder}, each of which runs when it is first required.
const plain = require
const folder = {folder}
const made = new Map()
const files = new Map([
{files}
])
const [get, has, set] = ['get', 'has', 'set'].map((name) => Function.prototype.call.bind(Map.prototype[name]))
function own (name) {{
  if (!has(files, name)) return plain(name)
  if (!has(made, name)) {{
    const module = {{ exports: {{}} }}
    set(made, name, module)
    get(files, name)(module, module.exports, own, folder)
  }}
  return get(made, name).exports
}}
own({start})
"""


def joined(cache: Path) -> Path:
    """Return the worker as one file in `cache`, made where it isn't; else the first of its own files."""
    name, data = _text()
    kept = cache / name
    try:
        if not kept.is_file() or kept.read_bytes() != data:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = kept.with_suffix(f".{os.getpid()}")
            made.write_bytes(data)
            made.replace(kept)
    except OSError:  # nothing can be kept there: it starts later, from its files
        return WORKER / _START
    return kept


@functools.cache
def _text() -> tuple[str, bytes]:
    """Return the file's name, which changes with what is in it, and what is in it."""
    head = "(module, exports, require, __dirname) => {"
    parts = [
        f"[{json.dumps('./' + file.name)}, {head}\n{file.read_text('utf-8')}\n}}]"
        for file in sorted(WORKER.glob("*.cjs"))
        if file.name not in _APART
    ]
    start = json.dumps("./" + _START)
    data = _FILE.format(folder=json.dumps(str(WORKER)), files=",\n".join(parts), start=start).encode()
    return f"worker-{hashlib.sha256(data).hexdigest()[:16]}.cjs", data
