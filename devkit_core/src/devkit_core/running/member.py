"""One instance of a plugin with its own folder: made, ended, freed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devkit_core.errors import DevKitError, LoadError, WorkerCrashed
from devkit_core.running import health as healths
from devkit_core.running.failures import blamed
from devkit_core.running.scratch import clear, instance_folder

if TYPE_CHECKING:
    from devkit_core.loading.loader import Instance
    from devkit_core.running.blueprints import Blueprint
    from devkit_core.workers.pending import PendingCall

__all__ = ["Ended", "Member", "start_all"]

#: what is told when an instance ends by itself: which, why, and the calls that it had not begun
Ended = Callable[["Member", DevKitError | None, list["PendingCall"]], None]

_LAST_WORD = 0.5  # seconds for the shutdown of one whose calls don't end


class Member:
    """An instance, the folder it writes to, and whether it has ended by itself."""

    __slots__ = ("dead", "folder", "instance")

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.instance = instance
        self.folder = folder
        self.dead = False

    @classmethod
    async def start(
        cls, plugin: str, blueprint: Blueprint, scratch: Path, ended: Ended, *, fit: bool
    ) -> Member:
        """Start and initialize an instance; with `fit` it also has to say that it is healthy.

        Raises what stopped it; nothing is left then.
        """
        folder = instance_folder(scratch, plugin)
        member: Member | None = None

        def tell(why: DevKitError | None, calls: list[PendingCall]) -> None:
            assert member is not None  # only an instance that was initialized tells
            member.dead = True
            ended(member, why, calls)

        try:
            try:
                instance = await blueprint.loader.start(blueprint.request(folder, tell))
            except OSError as error:
                raise LoadError(
                    f"the system refuses what `{plugin}` needs to start: {error.strerror or error}",
                    code="worker-start",
                    plugin=plugin,
                    hint="the limit on open files (ulimit -n), full disks and memory are usual causes",
                ) from error
            member = cls(instance, folder)
            if blueprint.config is not None and not instance.takes_config:
                raise LoadError(
                    f"`{plugin}` has settings, but nothing that is given them",
                    code="plugin-config-undeliverable",
                    plugin=plugin,
                    hint="it needs an `initialize` or a `configure` that takes them",
                )
            await instance.initialize(blueprint.times.initialize)
            if fit:
                await healths.demand(plugin, instance, blueprint.times.initialize)
        except BaseException as error:
            if isinstance(error, LoadError) and error.place is None:
                error.place = blamed(error, blueprint.folder, blueprint.entry.path)
            if member is not None:
                await member.instance.close()
            await clear(folder)
            raise
        return member

    async def finish(self, calls: float, shutdown: float) -> None:
        """Let it finish the calls that it has, shut it down and free it; in so many seconds each."""
        instance = self.instance
        try:
            with contextlib.suppress(TimeoutError):  # a loader that forgets the time holds nobody up
                async with asyncio.timeout(calls + _LAST_WORD):
                    await instance.drain(calls)
            await instance.shutdown(min(shutdown, _LAST_WORD) if instance.in_flight else shutdown)
        finally:
            await self.free()

    async def free(self) -> None:
        """End it, and free all that it held; may be called again."""
        await self.instance.close()
        await clear(self.folder)


async def start_all(count: int, start: Callable[[], Coroutine[Any, Any, Member]]) -> list[Member]:
    """Start so many members beside each other, all or none; raises what stopped the first that failed."""
    starts = [asyncio.ensure_future(start()) for _ in range(count)]
    try:
        members = await asyncio.gather(*starts)
        for member in members:
            if member.dead:
                died = WorkerCrashed("the worker ended as soon as it had started")
                raise LoadError(f"{died.message}, before it had a call") from died
    except BaseException:
        await asyncio.wait(starts)
        for each in starts:
            if not each.cancelled() and each.exception() is None:
                await each.result().free()
        raise
    return members
