"""What befalls plugins in a storm: faults of random kinds."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from processes import send, zygotes
from storm import Storm

from devkit_core import PluginManager, blocking
from devkit_core.errors import DevKitError

__all__ = ["FAULTS", "Faults"]

AT_ONCE = 6  # faults that go on beside each other
BROKEN = {".py": "x = (\n", ".js": "function (\n", ".so": "no library\n"}


class Faults:
    """Injects so many faults, each of a random kind into a random plugin."""

    def __init__(self, count: int) -> None:
        self.left = count
        self._changing: set[str] = set()  # plugins that are being reloaded, or unloaded and loaded

    async def __call__(self, storm: Storm, manager: PluginManager, threads: blocking.PluginManager) -> None:
        self.begin(storm, manager, threads)
        await asyncio.gather(*(self._inject() for _ in range(AT_ONCE)))

    def begin(self, storm: Storm, manager: PluginManager, threads: blocking.PluginManager) -> None:
        """Learn what there is to break."""
        self.storm, self.manager, self.threads = storm, manager, threads
        self.random = storm.random

    async def _inject(self) -> None:
        while self.left > 0:
            self.left -= 1
            if not await self.one():
                self.left += 1
            self.storm.look_for_hung()
            await asyncio.sleep(self.random.random() * 0.01)

    async def one(self) -> bool:
        """Let one fault happen; False where there was nothing to break just now."""
        (name,) = self.random.choices(list(FAULTS), list(FAULTS.values()))
        plugin = self.random.choice(list(self.storm.plugins))
        if await getattr(self, name)(plugin) is False:
            return False
        self.storm.outcome.faults[name] += 1
        return True

    def _pid(self, plugin: str) -> int | None:
        if self.random.random() < 0.5:
            handle = self.threads.get_plugin(plugin)
            return handle.pid if handle is not None else None
        found = self.manager.get_plugin(plugin)
        return found.pid if found is not None else None

    def _zygote(self) -> int | None:
        found = zygotes()
        return self.random.choice(found) if found else None

    async def _command(self, plugin: str, verb: str, timeout: float = 15.0) -> bool | None:
        """Make a call that asks its plugin for a fault; by tasks, as by threads it is counted alike."""
        handle = self.manager.get_plugin(plugin)
        if handle is None:
            return False
        await self.storm.ask(handle.execute, verb, timeout)
        return None

    # -- from outside

    async def kill_worker(self, plugin: str) -> bool:
        return send(self._pid(plugin), signal.SIGKILL)

    async def kill_zygote(self, plugin: str) -> bool:
        return send(self._zygote(), signal.SIGKILL)

    async def stop_worker(self, plugin: str) -> bool:
        return await self._stopped(self._pid(plugin))

    async def stop_zygote(self, plugin: str) -> bool:
        return await self._stopped(self._zygote())

    async def _stopped(self, pid: int | None) -> bool:
        if not send(pid, signal.SIGSTOP):
            return False
        await asyncio.sleep(self.random.random() * 0.2)
        send(pid, signal.SIGCONT)
        return True

    # -- from inside

    async def die(self, plugin: str) -> bool | None:
        return await self._command(plugin, "die")

    async def garbage(self, plugin: str) -> bool | None:
        return await self._command(plugin, "garbage", 2.0)

    async def flood(self, plugin: str) -> bool | None:
        return await self._command(plugin, "flood")

    async def fail(self, plugin: str) -> bool | None:
        return await self._command(plugin, "raise")

    async def spin(self, plugin: str) -> bool | None:
        return await self._command(plugin, "spin", 0.05)

    # -- by the caller and the host

    async def time_out(self, plugin: str) -> bool | None:
        return await self._command(plugin, "sleep 200", 0.01)

    async def cancel(self, plugin: str) -> bool | None:
        handle = self.manager.get_plugin(plugin)
        if handle is None:
            return False
        call = asyncio.ensure_future(self.storm.ask(handle.execute, "sleep 50", 15.0))
        await asyncio.sleep(self.random.random() * 0.03)
        call.cancel()
        await asyncio.wait([call])
        return None

    async def reload(self, plugin: str) -> bool:
        return await self._by_host(plugin, lambda: self.manager.reload(plugin))

    async def reload_in_threads(self, plugin: str) -> bool:
        return await self._by_host(plugin, lambda: asyncio.to_thread(self.threads.reload, plugin))

    async def reload_broken(self, plugin: str) -> bool:
        """The files are broken for as long as a reload takes; then they are as before."""
        file = self.storm.plugins[plugin]

        async def both() -> None:
            whole = file.read_bytes()
            _replace(file, BROKEN[file.suffix].encode())
            try:
                await self.manager.reload(plugin)
            finally:
                _replace(file, whole)

        return await self._by_host(plugin, both)

    async def unload(self, plugin: str) -> bool:
        async def both() -> None:
            await self.manager.unload(plugin)
            for _ in range(10):  # the load may meet a fault itself
                try:
                    await self.manager.load(plugin)
                    return
                except DevKitError as error:
                    self.storm.outcome.errors[f"{error.code} (host)"] += 1

        return await self._by_host(plugin, both)

    async def configure(self, plugin: str) -> bool:
        number = self.random.randrange(1000)
        return await self._by_host("sync", lambda: self.manager.configure("sync", {"number": number}))

    async def ask(self, plugin: str) -> bool:
        return await self._by_host(plugin, lambda: self.manager.check_health(plugin), alone=False)

    async def _by_host(self, plugin: str, act: Callable[[], Awaitable[Any]], alone: bool = True) -> bool:
        if alone and plugin in self._changing:
            return False
        if alone:
            self._changing.add(plugin)
        try:
            await act()
        except DevKitError as error:
            self.storm.outcome.errors[f"{error.code} (host)"] += 1
        except Exception as error:  # noqa: BLE001 - what it is, is counted
            self.storm.outcome.untyped[f"{plugin}: {error!r}"[:200]] += 1
        finally:
            if alone:
                self._changing.discard(plugin)
        return True


#: kinds of faults, and how often each is drawn
FAULTS = {
    "kill_worker": 30, "stop_worker": 8, "kill_zygote": 1, "stop_zygote": 2,
    "die": 8, "garbage": 6, "flood": 2, "fail": 8, "spin": 1,
    "time_out": 8, "cancel": 10,
    "reload": 4, "reload_in_threads": 4, "reload_broken": 2, "unload": 1, "configure": 2, "ask": 2,
}  # fmt: skip


def _replace(file: Path, data: bytes) -> None:
    """Replace a file in one step; its library may be mapped by a worker."""
    beside = file.with_name(f".{file.name}.tmp")
    beside.write_bytes(data)
    beside.chmod(0o755)
    beside.replace(file)
