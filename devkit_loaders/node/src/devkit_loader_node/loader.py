"""The loader of JavaScript and TypeScript plugins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from devkit_core.api import (
    Entry,
    Fit,
    Instance,
    LoadError,
    LoadRequest,
    Problem,
    Runtime,
    WorkerLoader,
    WorkerSpec,
)
from devkit_loader_node.joined import WORKER, joined
from devkit_loader_node.packages import Packages
from devkit_loader_node.runtime import Node, find
from devkit_loader_node.typescript import TYPESCRIPT, Translator

__all__ = ["NodeLoader"]

_HERE = Path(__file__).parent


class NodeLoader(WorkerLoader):
    """Runs `.js` and `.ts` files, and files whose shebang names Node, each in a Node.js of its own."""

    name = "node"
    extensions = frozenset({".js", ".mjs", ".cjs"}) | TYPESCRIPT
    templates = {  # noqa: RUF012 - read only
        "javascript": _HERE / "templates" / "javascript",
        "typescript": _HERE / "templates" / "typescript",
    }

    def probe(self, entry: Entry) -> Fit:
        fit = super().probe(entry)
        if fit is Fit.NO and entry.declared is None and not entry.extension:
            words = entry.shebang.split()
            return Fit.SHEBANG if any(word.split("/")[-1] == "node" for word in words[:2]) else Fit.NO
        return fit

    async def start(self, request: LoadRequest) -> Instance:
        try:
            return await super().start(request)
        except LoadError as error:
            if not error.message.startswith("SyntaxError"):
                raise
            # Node tells the line of an ES module's error to nobody but its own terminal
            source = request.entry.path.read_bytes()
            for problem in await asyncio.to_thread(self.check, request.entry, source):
                if problem.code == "entry-point-syntax":
                    raise LoadError(
                        problem.message, code=problem.code, place=problem.place, plugin=request.id
                    ) from error
            raise

    async def spec(self, request: LoadRequest) -> WorkerSpec:
        cache = request.cache / self.name
        node = await find(cache)
        packages = await Packages(node, cache).of(request)
        bundle = None
        if request.entry.extension in TYPESCRIPT:
            bundle = await Translator(self, node, cache).translate(request)
        config = {
            "entry": str(request.entry.path),
            "name": request.entry.path.name,
            "folder": str(request.folder),
            "functions": sorted(name for name in request.manifest.functions if name != "execute"),
            "bundle": str(bundle) if bundle else None,
            "packages": str(packages) if packages else None,
            "network": network(request),
        }
        worker = joined(cache)
        read = (WORKER, worker, *(path for path in (bundle, packages) if path))
        return WorkerSpec(
            Runtime("exec", read, (node.path,), node.base_mb),
            (str(node.path), *flags(request, node), str(worker), json.dumps(config)),
        )

    def check(self, entry: Entry, source: bytes) -> Sequence[Problem]:
        """Find syntax errors and a missing `execute`; parses, runs nothing."""
        from devkit_loader_node.checking import check

        return check(entry, source)


def network(request: LoadRequest) -> str:
    """Return how a worker connects: through the host, not at all, or itself where nothing confines it."""
    if any(p.domain == "network" and p.action != "none" for p in request.authority.granted):
        return "relay"
    return "none" if request.confined else "own"


def flags(request: LoadRequest, node: Node) -> list[str]:
    """Return Node's own options for one plugin's worker."""
    found = [
        "--enable-source-maps",
        "--disable-warning=ExperimentalWarning",
        f"--max-old-space-size={request.limits.memory_mb}",
    ]
    if request.confined:
        # A second layer for what is no file: which files may be read and written is the kernel's to say, by
        # rules that Node's own can't express. Threads and addons stay within the kernel's limits.
        found += ["--permission", "--allow-fs-read=*", "--allow-fs-write=*", "--allow-worker"]
        found += ["--allow-addons", "--allow-wasi", "--disable-warning=SecurityWarning"]
        if request.authority.has("process", "spawn"):
            found.append("--allow-child-process")
        if int(node.version.split(".")[0]) >= 25:
            found.append("--allow-net")  # the kernel lets it connect nowhere but through the host
    return found
