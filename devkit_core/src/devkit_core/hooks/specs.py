"""The hooks that an extension may implement, and when each is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from devkit_core.config.places import Places
    from devkit_core.config.schema import PluginSystemConfig
    from devkit_core.events.bus import PluginEvent
    from devkit_core.loading.call import Call, Result
    from devkit_core.loading.extending import Check, CommandSpec
    from devkit_core.loading.loader import Loader
    from devkit_core.loading.source import Source
    from devkit_core.model.permissions import PermissionRequest

hookspec = pluggy.HookspecMarker("devkit")
hookimpl = pluggy.HookimplMarker("devkit")


@hookspec
def devkit_register_loaders() -> Sequence[Loader]:  # type: ignore[empty-body]
    """Return the loaders that this extension brings.

    Called once a process, when a plugin's kind is first asked for; never for `list` served by its cache.

    Example::

        @hookimpl
        def devkit_register_loaders():
            from my_loader.loader import LuaLoader

            return [LuaLoader()]
    """


@hookspec
def devkit_register_commands() -> Sequence[CommandSpec]:  # type: ignore[empty-body]
    """Return the commands that this extension adds to `devkit`.

    Called when a command is not one of the core's, and by `devkit --help`.

    Example::

        @hookimpl
        def devkit_register_commands():
            from devkit_core.api import CommandSpec

            return [CommandSpec("hello", "my_extension.commands:hello", "Say hello.")]
    """


@hookspec
def devkit_register_sources(config: PluginSystemConfig, places: Places) -> Sequence[Source]:  # type: ignore[empty-body]
    """Return further places where plugins are found.

    Called once by every discovery, before any folder is read, with the host's settings and folders. An
    implementation may leave out what it has no use for.

    Example::

        @hookimpl
        def devkit_register_sources():
            from my_extension.team import TeamFolder

            return [TeamFolder()]
    """


@hookspec
def devkit_register_runtimes() -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return virtual packages that plugins may depend on: name to version.

    Called before dependencies are resolved. The version is one that `model.versions` reads.

    Example::

        @hookimpl
        def devkit_register_runtimes():
            return {"lua-runtime": "5.4.6"}
    """


@hookspec
def devkit_register_checks() -> Sequence[Check]:  # type: ignore[empty-body]
    """Return checks for `devkit doctor`.

    Called by `devkit doctor` alone.

    Example::

        @hookimpl
        def devkit_register_checks():
            from devkit_core.api import Check, Finding

            def lua() -> list[Finding]:
                return [Finding("lua", "ok", "Lua 5.4.6")]

            return [Check("lua", lua)]
    """


@hookspec(firstresult=True)
def devkit_decide_permission(request: PermissionRequest) -> bool | None:
    """Decide one permission that a plugin asks for and the user has granted or not; None leaves it open.

    Called before a worker starts, once a permission. The first answer that isn't None stands: False
    takes a granted right away. True never gives more than the user granted.

    Example::

        @hookimpl
        def devkit_decide_permission(request):
            return False if request.permission.domain == "network" else None
    """


@hookspec
async def devkit_call(call: Call, proceed: Callable[[Call], Awaitable[Result]]) -> Result:  # type: ignore[empty-body]
    """Wrap one execution: await `proceed(call)` and return its result, or another.

    Called for every execution through a manager, outermost first in pluggy's order (`tryfirst`,
    `trylast`). Where nothing implements it, a call costs nothing more.

    Example::

        @hookimpl
        async def devkit_call(call, proceed):
            result = await proceed(call)
            print(f"{call.plugin} answered {len(result.data)} bytes")
            return result
    """


@hookspec
def devkit_plugin_event(event: PluginEvent) -> None:
    """Learn of something that happened to a plugin.

    Called in the event loop's thread after the change, in order, one event at a time. What it raises is
    logged and harms no one.

    Example::

        @hookimpl
        def devkit_plugin_event(event):
            print(event.kind, event.plugin)
    """
