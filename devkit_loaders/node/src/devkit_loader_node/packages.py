"""The npm packages that a plugin's package.json asks for."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devkit_core.api import LoadError, LoadRequest, Place
from devkit_loader_node import npm
from devkit_loader_node.runtime import Node

__all__ = ["Packages"]

_LIMIT = 8 << 20  # bytes of a package.json or a lock
_NAME = re.compile(r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*")
# A version, a range or a tag, also under another name: nothing that leads anywhere but the registry.
_RANGE = re.compile(r"(npm:(@?[\w.~-]+/)?[\w.~-]+@)?[\w.+*^~<>=|\s-]*")
_KEPT = ("dependencies", "optionalDependencies", "devDependencies", "overrides")


class Packages:
    """Installs what plugins ask for, one folder for each set of packages, shared by those that ask for it."""

    def __init__(self, node: Node, cache: Path) -> None:
        self._node = node
        self._folder = cache / "packages"

    async def of(self, request: LoadRequest) -> Path | None:
        """Return the folder that holds this plugin's `node_modules`, None where it needs none of ours.

        A plugin that ships its own `node_modules` uses those. Raises LoadError `packages-invalid` for a
        package.json that can't be used, `packages-unavailable` where npm fails.
        """
        manifest = request.folder / "package.json"
        if (request.folder / "node_modules").is_dir() or not manifest.is_file():
            return None
        asked = _read(manifest)
        wanted = {k: asked[k] for k in _KEPT if isinstance(asked.get(k), dict)}
        if not wanted.get("dependencies") and not wanted.get("optionalDependencies"):
            return None
        for key in _KEPT[:3]:
            _check(wanted.get(key, {}), manifest, key)
        files = {"package.json": _bytes({"name": "plugin", "version": "0.0.0", "private": True, **wanted})}
        lock = request.folder / "package-lock.json"
        if lock.is_file():
            files["package-lock.json"] = _bytes(_checked_lock(_read(lock), lock))
        target = self._folder / self._key(files)
        if not target.is_dir():
            request.log("stderr", f"[installing the packages of {manifest.name}, without their scripts]")
            await npm.install(
                self._node,
                files,
                target,
                code="packages-unavailable",
                hint="check the names and the network, or ship node_modules in the plugin's folder",
            )
        return target

    def _key(self, files: Mapping[str, bytes]) -> str:
        digest = hashlib.sha256(self._node.version.split(".")[0].encode())
        for name, data in sorted(files.items()):
            digest.update(b"\0" + name.encode() + b"\0" + data)
        return digest.hexdigest()[:32]


def _read(path: Path) -> dict[str, Any]:
    try:
        # a link's target is not the plugin's to hand on
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise ValueError(f"it has over {_LIMIT:,} bytes")
        found = json.loads(data)
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(f"{path.name} can't be read: {error}", path) from None
    return found


def _check(asked: Mapping[str, Any], path: Path, key: str) -> None:
    for name, version in asked.items():
        if not _NAME.fullmatch(name):
            raise _invalid(f"`{name[:80]}` is no name of a package", path, key)
        if not isinstance(version, str) or not _RANGE.fullmatch(version):
            raise _invalid(
                f"`{name}` asks for {str(version)[:80]!r}, which is no range of versions", path, key
            )


def _checked_lock(lock: dict[str, Any], path: Path) -> dict[str, Any]:
    packages = lock.get("packages")
    if lock.get("lockfileVersion") not in (2, 3) or not isinstance(packages, dict):
        raise _invalid(f"{path.name} is of another version than 2 or 3", path)
    for name, entry in packages.items():
        if not name:
            continue
        if not isinstance(entry, dict) or not name.startswith("node_modules/") or ".." in name.split("/"):
            raise _invalid(f"`{name[:80]}` lies outside node_modules", path)
        resolved = entry.get("resolved", "https://")
        if entry.get("link") or not isinstance(resolved, str) or not resolved.startswith("https://"):
            raise _invalid(f"`{name[:80]}` comes from somewhere else than a registry", path)
        if not isinstance(entry.get("integrity"), str) and not entry.get("inBundle"):
            raise _invalid(f"`{name[:80]}` has no integrity hash", path)
    root = {k: v for k, v in packages.get("", {}).items() if k in _KEPT}
    return {
        "name": "plugin",
        "version": "0.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {**packages, "": {"name": "plugin", "version": "0.0.0", **root}},
    }


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()


def _invalid(message: str, path: Path, key: str | None = None) -> LoadError:
    return LoadError(
        message,
        code="packages-invalid",
        place=Place(str(path), key=key),
        hint="packages come from the registry, by name and range of versions; ship others in node_modules",
    )
