"""How much may wait in one host, and for which plugin."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from threading import Lock

from devkit_core.errors import Overloaded

__all__ = ["Admission", "Share"]


class Admission:
    """Bounds the calls that wait for their turn, of all plugins together, by number and by bytes.

    What a worker has, or has on its way, doesn't count: the window of its channel bounds that. So a call
    that finds its channel free pays nothing. A plugin may have as much waiting as is left free: one takes
    half of all at most, two a third each, and there is always room for the calls of another.
    """

    def __init__(self, calls: int, mib: int) -> None:
        self.most_calls = calls
        self.most_bytes = mib << 20
        self.calls = self.bytes = 0
        self.lock = Lock()  # threads send calls of their own
        self._shares: dict[str, Share] = {}

    def share(self, plugin: str) -> Share:
        """Return a plugin's share, the same one each time."""
        share = self._shares.get(plugin)
        if share is None:
            share = self._shares[plugin] = Share(plugin, self)
        return share

    def wake(self) -> None:
        """Let those who wait for room look again, as nothing waits any more."""
        for share in self._shares.values():
            share.wake()


class Share:
    """What waits for one plugin."""

    def __init__(self, plugin: str, whole: Admission) -> None:
        self._plugin = plugin
        self._whole = whole
        self.calls = self.bytes = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    def fits(self, size: int) -> bool:
        """Say whether a further call, of so many bytes, may wait."""
        whole = self._whole
        return (
            self.bytes + size <= whole.most_bytes - whole.bytes
            and self.calls < whole.most_calls - whole.calls
        )

    def is_open(self, calls: int = 0, size: int = 0) -> bool:
        """Say whether much more may wait, beside so many calls: what can wait elsewhere should, where not."""
        whole = self._whole
        return (
            2 * (self.bytes + size) <= whole.most_bytes - whole.bytes
            and 2 * (self.calls + calls) <= whole.most_calls - whole.calls
        )

    def enter(self, size: int) -> bool:
        """Count a call that has to wait; return False, and count nothing, where it may not."""
        with self._whole.lock:
            if not self.fits(size):
                return False
            self._count(1, size)
            return True

    def keep(self, size: int) -> None:
        """Count a call that was let in before, and waits again."""
        with self._whole.lock:
            self._count(1, size)

    def leave(self, size: int) -> None:
        """Count a call that waits no more."""
        with self._whole.lock:
            self._count(-1, -size)
        if not self._whole.calls:
            self._whole.wake()
        elif not self.calls:
            self.wake()
        elif self._waiters:
            self.wake(1)

    def _count(self, calls: int, size: int) -> None:
        self.calls += calls
        self.bytes += size
        self._whole.calls += calls
        self._whole.bytes += size

    def wake(self, count: int | None = None) -> None:
        """Let those who wait for room, or so many of them, look again."""
        for _ in range(len(self._waiters) if count is None else count):
            try:
                waiter = self._waiters.popleft()
            except IndexError:
                return
            waiter.get_loop().call_soon_threadsafe(_settle, waiter)

    async def room(self, size: int) -> None:
        """Wait until a call of so many bytes may wait, in the order of those who ask."""
        await self._until(lambda: self.fits(size))

    async def opened(self) -> None:
        """Wait until much more may wait."""
        await self._until(self.is_open)

    async def _until(self, enough: Callable[[], bool]) -> None:
        while not enough() and self._whole.calls:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                else:
                    self.wake(1)  # it was this one's turn
                raise

    def refusal(self) -> Overloaded:
        """Return the error of a call that may not wait."""
        whole = self._whole
        return Overloaded(
            f"{self.calls:,} calls with {self.bytes / (1 << 20):.1f} MiB wait for `{self._plugin}`, and "
            f"{whole.calls:,} with {whole.bytes / (1 << 20):.1f} MiB in all; {whole.most_calls:,} and "
            f"{whole.most_bytes >> 20:,} MiB may wait, and one plugin's only take what is left free",
            plugin=self._plugin,
            hint="await answers before you send more, as `map` does, or `await plugin.ready()` first; "
            "max_waiting_calls and max_waiting_mb raise it",
        )


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
