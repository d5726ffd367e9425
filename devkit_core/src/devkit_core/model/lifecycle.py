"""The states of a plugin's life and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from devkit_core.errors import LifecycleError
from devkit_core.model.types import PluginStatus as S

__all__ = ["MOVES", "allowed", "check"]

MOVES: Mapping[S, frozenset[S]] = MappingProxyType(
    {
        # a scan found it; resolving orders it behind its dependencies
        S.DISCOVERED: frozenset({S.RESOLVED, S.ERROR, S.DISABLED, S.UNINSTALLING}),
        # back to discovered when a later scan finds other dependencies; stopped where one that waits for its
        # first call is unloaded
        S.RESOLVED: frozenset({S.LOADING, S.DISCOVERED, S.STOPPED, S.ERROR, S.DISABLED, S.UNINSTALLING}),
        # stopped when loading is cancelled
        S.LOADING: frozenset({S.ACTIVE, S.STOPPED, S.ERROR}),
        # loading again is a reload, or a fresh worker after one that died while idle
        S.ACTIVE: frozenset({S.RUNNING, S.LOADING, S.STOPPED, S.ERROR}),
        # loading from here: the worker died in a call and a fresh one starts
        S.RUNNING: frozenset({S.ACTIVE, S.LOADING, S.STOPPED, S.ERROR}),
        S.STOPPED: frozenset({S.DISCOVERED, S.RESOLVED, S.LOADING, S.ERROR, S.DISABLED, S.UNINSTALLING}),
        # loading from here is a retry; discovered, a scan that found it mended
        S.ERROR: frozenset({S.DISCOVERED, S.RESOLVED, S.LOADING, S.STOPPED, S.DISABLED, S.UNINSTALLING}),
        # enabling makes it a plugin like one just found
        S.DISABLED: frozenset({S.DISCOVERED, S.UNINSTALLING}),
        # ends with the plugin gone; error when its files can't be removed
        S.UNINSTALLING: frozenset({S.ERROR}),
    }
)


def allowed(old: S, new: S) -> bool:
    """Say whether a plugin may move from one state to another; staying where it is is no move."""
    return new in MOVES[old]


def check(old: S, new: S, *, plugin: str | None = None) -> None:
    """Refuse a move that the table doesn't have; called before each change. Raises LifecycleError."""
    if not allowed(old, new):
        nexts = ", ".join(sorted(MOVES[old]))
        whose = f"plugin `{plugin}`" if plugin else "a plugin"
        raise LifecycleError(
            f"{whose} can't go from {old} to {new}",
            hint=f"from {old} it can go to: {nexts}",
            plugin=plugin,
        )
