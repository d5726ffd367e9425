"""What `devkit doctor` says of Node.js."""

from __future__ import annotations

from collections.abc import Sequence

from devkit_core.api import Check, Finding, LoadError

__all__ = ["checks"]


def checks() -> Sequence[Check]:
    """Return the check of Node.js: which one plugins run on, and what it is missing."""

    def runtime() -> Sequence[Finding]:
        from devkit_loader_node.runtime import Node, find_path, version_here

        try:
            path = find_path()
        except LoadError as error:
            return [Finding("node", "warning", error.message, error.hint)]
        version = version_here() or "?"
        found = [Finding("node", "ok", f"Node.js {version} at {path}")]
        if Node(path, version, 0).npm is None:
            found.append(Finding("npm", "warning", "no npm: package.json and TypeScript need it"))
        return found

    return [Check("node", runtime)]
