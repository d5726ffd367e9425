"""Plugins as modules: `from devkit_core.plugins import markdown_html`.

    with plugins.bind(manager):
        page = await markdown_html.render({"markdown": "# Hello"})

A plugin's name is its id with underscores. Nothing is looked up before a function is called; the plugin is
then loaded where it isn't yet. `devkit stubs` writes the types of what the functions take and give.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from devkit_core.errors import UsageError

if TYPE_CHECKING:
    from devkit_core.manager import PluginManager

__all__ = ["Plugin", "bind"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]*")
_bound: ContextVar[PluginManager] = ContextVar("devkit_plugins_manager")


@contextmanager
def bind(manager: PluginManager) -> Iterator[None]:
    """Let plugins' functions be called by this manager, inside and in the tasks that are started inside."""
    token = _bound.set(manager)
    try:
        yield
    finally:
        _bound.reset(token)


class Plugin:
    """One plugin by its id; its attributes are its functions, as coroutine functions.

    Each takes one JSON value, and `timeout` in seconds, and returns the value that came back; `execute`
    takes text where the manifest gives it no schema. They raise what `PluginHandle.invoke` raises, and
    UsageError where no manager is bound.
    """

    def __init__(self, plugin: str, manager: PluginManager | None = None) -> None:
        self._id = plugin
        self._manager = manager

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name.startswith("_"):
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        function = _without_escape(name)

        async def call(input: Any = None, /, *, timeout: float | None = None) -> Any:
            manager = self._manager or _bound.get(None)
            if manager is None:
                raise UsageError(
                    "no manager is bound to run plugins by",
                    code="manager-unbound",
                    plugin=self._id,
                    hint="with plugins.bind(manager): …",
                )
            handle = manager.get_plugin(self._id) or await manager.load(self._id)
            if function == "execute" and not handle.takes_json(function):
                return await handle.execute("" if input is None else input, timeout)
            return await handle.invoke(function, input, timeout)

        call.__name__ = call.__qualname__ = name
        return call

    def __repr__(self) -> str:
        return f"<Plugin {self._id}>"


def __getattr__(name: str) -> Plugin:
    if not _NAME.fullmatch(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return Plugin(_without_escape(name).replace("_", "-"))


def _without_escape(name: str) -> str:
    """Return a name without the underscore that keeps it from being a keyword."""
    return name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name
