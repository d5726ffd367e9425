"""What `devkit doctor` says about the catalogues."""

from __future__ import annotations

from collections.abc import Sequence

from devkit_core.api import Check, DevKitError, Finding

__all__ = ["checks"]


def checks() -> list[Check]:
    """Return the one check; it opens every catalogue."""
    return [Check("catalogues", _findings)]


def _findings() -> Sequence[Finding]:
    from devkit_core.api import Session
    from devkit_marketplace.source import Catalogue

    found = []
    for source in Session().sources():
        if not isinstance(source, Catalogue):
            continue
        try:
            root = source.index.root
        except DevKitError as error:
            found.append(Finding(source.name, "warning", error.message, error.hint))
            continue
        found.append(Finding(source.name, "ok", f"{len(root.plugins)} plugins, {source.index.folder}"))
        for each in root.not_built:
            release = f"{each.id} {each.version}".strip()
            found.append(Finding(source.name, "info", f"{release} isn't in it: {each.reason}"))
    return found
