"""Permissions in plain words, and what enforces each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devkit_core.model.permissions import Permission
    from devkit_core.sandbox.probe import Enforcement

__all__ = ["enforced_by", "meaning"]

_MEANINGS = {
    ("filesystem", "read"): "read its own folder, and the folder that devkit runs in",
    ("filesystem", "write"): "write in the folder that devkit runs in",
    ("filesystem", "read-write"): "read and write in the folder that devkit runs in",
    ("network", "http"): "connect to public hosts by HTTP (port 80)",
    ("network", "https"): "connect to public hosts by HTTPS (port 443)",
    ("network", "access"): "connect to public hosts by HTTP and HTTPS",
    ("network", "none"): "a promise to use no network at all",
    ("process", "spawn"): "start other programs, which get the same rights",
    ("environment", "read"): "read the language, time zone, terminal and user name from the environment",
    ("system", "info"): "read facts about this machine, as its processors and memory",
    ("plugin", "call"): "call any other plugin that is loaded",
}
_SCOPED = {
    ("filesystem", "read"): "read {} and what is below",
    ("filesystem", "write"): "write {} and what is below",
    ("filesystem", "read-write"): "read and write {} and what is below",
    ("network", "connect"): "connect to {}",
    ("environment", "read"): "read the environment variable {}",
    ("plugin", "call"): "call the plugin {}",
}
_RIGHTS = {
    ("filesystem", "read"): ("files-read",),
    ("filesystem", "write"): ("files-write",),
    ("filesystem", "read-write"): ("files-read", "files-write"),
    ("process", "spawn"): ("spawn",),
    ("system", "info"): ("files-read",),
}


def meaning(permission: Permission) -> str:
    """Return what a plugin that has this right can do, after "may"."""
    key = (permission.domain, permission.action)
    if permission.scope is not None and key in _SCOPED:
        return _SCOPED[key].format(permission.scope)
    return _MEANINGS.get(key, "a right of its own: policies may look at it, the system doesn't")


def enforced_by(permission: Permission, enforcement: Enforcement) -> str | None:
    """Return what keeps a plugin without this right from it on this machine; None where nothing does."""
    if permission.domain == "custom":
        return None
    if permission.domain == "environment":
        return "an environment built from nothing"
    if permission.domain == "plugin":
        return "the host, which makes the call"
    rights = _RIGHTS.get((permission.domain, permission.action), ("network",))
    means = [enforcement.by.get(right) for right in rights]
    if not all(means):
        return None
    return " and ".join(dict.fromkeys(each for each in means if each))
