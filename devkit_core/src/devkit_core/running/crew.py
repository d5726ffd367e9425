"""The instances of one plugin: those that work, and those that leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from devkit_core.errors import DevKitError
from devkit_core.running.lanes import Lanes
from devkit_core.running.member import Member

if TYPE_CHECKING:
    from devkit_core.protocol.messages import Result
    from devkit_core.running.blueprints import Times
    from devkit_core.workers.blocking_channel import BlockingChannel
    from devkit_core.workers.pending import PendingCall

__all__ = ["Attempt", "Crew"]

Attempt = Callable[[int, bytes, bool, float], "Result | None"]

_DRAINING = 4  # times the crew: replaced instances that still have calls; a further swap waits for some
_LEAVING_SECONDS = 2.0


class Crew:
    """Up to `wanted` instances at a time; a call goes to the one that has the fewest."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.wanted = 1
        self._draining: dict[asyncio.Task[None], Member] = {}
        self._leaving: set[asyncio.Task[None]] = set()  # of instances that are dead

    def __contains__(self, member: Member) -> bool:
        return member in self.members

    @property
    def missing(self) -> int:
        """How many of those that are wanted don't run."""
        return max(0, self.wanted - len(self.members))

    @property
    def in_flight(self) -> int:
        """How many calls they have."""
        return sum(each.instance.in_flight for each in self.members)

    @property
    def pids(self) -> list[int]:
        """The process ids of those that have a process of their own."""
        return [each.instance.pid for each in self.members if each.instance.pid is not None]

    @property
    def attempt(self) -> Attempt | None:
        """What answers short calls of the event loop at once, where there is one instance and it does."""
        return self.members[0].instance.attempt if len(self.members) == 1 else None

    def front(self) -> tuple[Callable[[PendingCall], None], BlockingChannel | Lanes | None]:
        """Return what takes calls of the event loop, and of threads: of one instance, the instance itself."""
        if len(self.members) == 1:
            only = self.members[0].instance
            return only.submit, only.lane
        lanes = [each.instance.lane for each in self.members]
        there = [each for each in lanes if each is not None]
        return self._submit, Lanes(there) if len(there) == len(lanes) else None

    def _submit(self, call: PendingCall) -> None:
        fewest = -1
        for each in self.members:
            load = each.instance.in_flight
            if fewest < 0 or load < fewest:
                best, fewest = each, load
                if not load:
                    break
        best.instance.submit(call)

    def swap(self, members: Iterable[Member]) -> list[Member]:
        """Let these take the calls, and return those that did."""
        old, self.members = self.members, list(members)
        return old

    def lose(self, member: Member) -> bool:
        """Free an instance that is dead, in the background; return whether it took calls."""
        if member not in self.members:
            return False
        self.members.remove(member)
        self._leaving.add(task := _started(member.free()))
        task.add_done_callback(self._leaving.discard)
        return True

    def retire(self, members: Iterable[Member], times: Times) -> None:
        """Let replaced instances finish their calls, then shut them down, in the background."""
        for member in members:
            task = _started(member.finish(times.execute, times.shutdown))
            self._draining[task] = member
            task.add_done_callback(self._draining.pop)

    async def configure(self, now: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> bool:
        """Give all of them settings; False where they have to be started anew for that.

        Raises what one of them says; the others have those of before again then.
        """
        given: list[Member] = []
        for member in list(self.members):
            try:
                if not await member.instance.configure(now, seconds):
                    return False
            except DevKitError:
                for each in given:
                    with contextlib.suppress(DevKitError):
                        await each.instance.configure(before, seconds)
                raise
            given.append(member)
        return True

    async def room(self) -> None:
        """Wait until few enough replaced instances still have calls."""
        while len(self._draining) >= _DRAINING * self.wanted:
            await asyncio.wait(self._draining, return_when=asyncio.FIRST_COMPLETED)

    async def end(self, seconds: float) -> None:
        """Let all finish the calls that they have, at most this long, and end them."""
        members, draining = self.swap(()), dict(self._draining)
        ending = [_started(each.finish(seconds, seconds)) for each in members]
        if draining:
            await asyncio.wait(draining, timeout=seconds)
        for task, member in draining.items():
            if not task.done():
                task.cancel()
                ending.append(_started(member.free()))
        results = await asyncio.gather(*ending, return_exceptions=True)
        if self._leaving:
            await asyncio.wait(set(self._leaving), timeout=_LEAVING_SECONDS)
        for failed in results:
            if failed is not None:
                raise failed


def _started(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(coroutine)
