"""TypeScript to JavaScript on the host, by a confined esbuild."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from devkit_core.api import LoadError, LoadRequest, Place, Runtime, WorkerSpec
from devkit_loader_node import npm
from devkit_loader_node.runtime import Node

if TYPE_CHECKING:
    from devkit_loader_node.loader import NodeLoader

__all__ = ["TYPESCRIPT", "Translator", "esbuild", "problem_of"]

TYPESCRIPT = frozenset({".ts", ".mts", ".cts"})
_ESBUILD = "0.28.2"
_LOCK = Path(__file__).parent / "esbuild"
_SECONDS = 30.0
_FILES = 5000  # of a plugin, beyond which its TypeScript has to be translated before it is shipped
_SOURCES = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx", ".json")
_MAP = b"//# sourceMappingURL=data:application/json;base64,"
# A bundle is an ES module; what its files may expect of CommonJS is made here.
_BANNER = (
    "import{createRequire as __devkitRequire}from'node:module';"
    "const require=__devkitRequire(import.meta.url);"
    "const __filename=import.meta.filename,__dirname=import.meta.dirname;"
)
_OPTIONS = (
    "--bundle",
    "--packages=external",
    "--platform=node",
    "--format=esm",
    "--target=node22",
    "--sourcemap=inline",
    "--sources-content=false",
    "--charset=utf8",
    "--keep-names",
    "--log-level=warning",
    "--color=false",
    f"--banner:js={_BANNER}",
)
_ERROR = re.compile(r"^✘ \[ERROR\] (?P<message>.*)\n\n {4}(?P<path>.*):(?P<line>\d+):(?P<column>\d+):$", re.M)


async def esbuild(node: Node, cache: Path) -> Path:
    """Return the esbuild of the pinned version, installed by npm where it isn't yet.

    Raises LoadError `esbuild-missing`.
    """
    target = cache / f"esbuild-{_ESBUILD}"
    if not target.is_dir():
        files = {path.name: path.read_bytes() for path in sorted(_LOCK.glob("*.json"))}
        await npm.install(
            node,
            files,
            target,
            code="esbuild-missing",
            hint=f"TypeScript needs esbuild {_ESBUILD}, once: load a .ts plugin while npm can fetch it",
        )
    for found in target.glob("node_modules/@esbuild/*/bin/esbuild"):
        return found
    raise LoadError(f"there is no esbuild for this machine in {target}", code="esbuild-missing")


class Translator:
    """Turns an entry point and the files it imports into one ES module, kept by the hash of what it read."""

    def __init__(self, loader: NodeLoader, node: Node, cache: Path) -> None:
        self._loader = loader
        self._node = node
        self._cache = cache

    async def translate(self, request: LoadRequest) -> Path:
        """Return the translation's file; raises LoadError, `entry-point-syntax` with its place."""
        target = self._cache / "translated" / f"{_key(request)}.mjs"
        if target.is_file():
            return target
        program = await esbuild(self._node, self._cache)
        spec = WorkerSpec(
            Runtime("exec", (), (program,), 256), (str(program), str(request.entry.path), *_OPTIONS)
        )
        ran = await self._loader.run(request, spec, _SECONDS)
        told = ran.stderr.decode("utf-8", "replace")
        if ran.status != 0:
            raise _failed(told, request)
        for line in filter(None, told.splitlines()):
            request.log("stderr", f"[{line}]")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = target.with_suffix(f".{os.getpid()}")
        made.write_bytes(_placed(ran.stdout, request.scratch))
        made.replace(target)
        return target


def _key(request: LoadRequest) -> str:
    """Return a hash of all that a translation may depend on."""
    digest = hashlib.sha256(json.dumps([_ESBUILD, _OPTIONS, str(request.entry.path)]).encode())
    for count, path in enumerate(_sources(request.folder)):
        if count == _FILES:
            raise LoadError(
                f"{request.folder} has over {_FILES:,} source files",
                code="too-many-sources",
                plugin=request.id,
                hint="translate it before you ship it, and name the .js file as entry_point",
            )
        try:
            data = path.read_bytes()
        except OSError:
            continue
        digest.update(f"\0{path}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:40]


def _sources(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "node_modules" and not entry.name.startswith("."):
                yield from _sources(Path(entry.path))
        elif entry.name.endswith(_SOURCES) and entry.is_file():
            yield Path(entry.path)


def _placed(module: bytes, base: Path) -> bytes:
    """Name the source map's files by their whole paths: they are relative to where esbuild ran."""
    code, mark, encoded = module.rpartition(_MAP)
    if not mark:
        return module
    found = json.loads(base64.b64decode(encoded))
    found["sources"] = [
        (Path(os.path.normpath(base / source))).as_uri() for source in found.get("sources", ())
    ]
    return code + mark + base64.b64encode(json.dumps(found).encode()) + b"\n"


def _failed(told: str, request: LoadRequest) -> LoadError:
    message, place = problem_of(told, request.scratch)
    return LoadError(
        message or f"esbuild failed: {told.strip()[:300]}",
        code="entry-point-syntax",
        place=place or Place(str(request.entry.path)),
        plugin=request.id,
    )


def problem_of(told: str, base: Path) -> tuple[str, Place | None]:
    """Return esbuild's first error and its place; paths are relative to `base`."""
    found = _ERROR.search(told)
    if found is None:
        return "", None
    path = os.path.normpath(base / found["path"])
    line = int(found["line"])
    try:
        text = Path(path).read_text("utf-8", "replace").splitlines()[line - 1]
    except (OSError, IndexError):
        text = None
    return found["message"], Place(path, line, int(found["column"]) + 1, text=text)
