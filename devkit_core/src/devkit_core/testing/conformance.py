"""The contract of a loader, as tests for its author.

Subclass `LoaderConformance` in a test module and name a plugin written for your loader::

    class TestLua(LoaderConformance):
        plugin = Path(__file__).parent / "conformance-plugin"
        unsupported = {"memory": "Lua's allocator has no limit of its own"}

The plugin's `execute` gets a verb and, after one space, its argument, and does what `VERBS` says. Its
initialize raises where the variable CONFORMANCE_INIT is `raise` and hangs where it is `hang`; its shutdown
prints `goodbye`. A test whose case is in `unsupported` is skipped with the reason given there. The tests are
coroutines: run them with pytest-asyncio and `asyncio_mode = "auto"`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import (
    CallTimeout,
    DevKitError,
    ExecutionError,
    InitializeFailed,
    LoadError,
    PayloadTooLarge,
    PluginRaised,
    ResourceExhausted,
    WorkerCrashed,
)
from devkit_core.hooks.extensions import Extensions
from devkit_core.manager import PluginManager
from devkit_core.running.handle import PluginHandle

__all__ = ["UNSUPPORTED", "VERBS", "LoaderConformance"]

#: the property of a skipped case's report that holds why its kind of plugin can't have it
UNSUPPORTED = "devkit-unsupported"

#: what the plugin does for each verb
VERBS: Mapping[str, str] = {
    "echo": "return the argument, unchanged",
    "count": "return how many times this verb was called in this instance, from 1",
    "raise": "fail, with the argument as the message",
    "exit": "end the process with status 3, without answering",
    "hang": "never return",
    "sleep": "return `slept` after so many milliseconds",
    "print": "print the argument on stdout and on stderr, a line each, and return `printed`",
    "flood": "print so many bytes on stdout and return `flooded`",
    "big": "return so many letters x",
    "alloc": "allocate and fill so many MiB and return `allocated`",
    "spawn": "start /bin/true and return `started`, or fail",
    "read": "return the text of the file of that path, or fail",
    "write": "write `x` to the file of that path and return `written`, or fail",
    "connect": "connect to that TCP port of 127.0.0.1 and return `connected`, or fail",
    "env": "return the value of that environment variable, or nothing",
    "pid": "return the process id",
}


class LoaderConformance:
    """The contract: a subclass names a plugin; each method is one case."""

    #: the folder of the plugin, with its plugin.toml
    plugin: ClassVar[Path]
    #: cases that this kind of plugin can't have, and why
    unsupported: ClassVar[Mapping[str, str]] = {}
    #: the loaders and other extensions to run with; all that are installed by default
    extensions: ClassVar[Extensions | None] = None
    #: what a traceback of `raise` must contain
    source_line: ClassVar[str] = "plugin"

    @pytest.fixture(autouse=True)
    def _supported(self, request: pytest.FixtureRequest) -> None:
        case = request.node.originalname.removeprefix("test_")
        if case in self.unsupported:
            request.node.user_properties.append((UNSUPPORTED, self.unsupported[case]))  # for the matrix
            pytest.skip(self.unsupported[case])

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A copy of the plugin, which a case may change."""
        target = tmp_path / "project" / "plugins" / "conformance"
        shutil.copytree(self.plugin, target)
        return target

    @pytest.fixture
    async def manager(self, tmp_path: Path, folder: Path) -> AsyncIterator[PluginManager]:
        """A manager over a project that has only this plugin; nothing of it is left afterwards."""
        places = Places.under(tmp_path / "home", project=folder.parent.parent)
        config = PluginSystemConfig(max_payload_mb=32, initialize_timeout=20, memory_limit_mb=128)
        extensions = type(self).extensions
        async with PluginManager(config, places=places, extensions=extensions, control=False) as manager:
            yield manager
        left = list((places.runtime / "scratch").glob("host-*"))
        assert left == []

    @pytest.fixture
    async def handle(self, manager: PluginManager) -> PluginHandle:
        """The loaded plugin."""
        return await manager.load("conformance")

    def _edit(self, folder: Path, old: str, new: str) -> None:
        manifest = folder / "plugin.toml"
        text = manifest.read_text()
        assert old in text or not old
        manifest.write_text(text.replace(old, new) if old else text + new)

    # -- payloads

    async def test_echo(self, handle: PluginHandle) -> None:
        assert await handle.execute("echo hello world") == "hello world"

    @pytest.mark.parametrize("text", ["żółw 🐢", "line\nline\r\n\ttab", " spaces ", "\u202e\u200b\ufeff"])
    async def test_unicode(self, handle: PluginHandle, text: str) -> None:
        assert await handle.execute(f"echo {text}") == text

    async def test_nul(self, handle: PluginHandle) -> None:
        assert await handle.execute("echo a\0b") == "a\0b"

    async def test_empty(self, handle: PluginHandle) -> None:
        assert await handle.execute("echo ") == ""

    @pytest.mark.parametrize("size", [65_535, 1 << 20, (1 << 20) + 1, 16 << 20])
    async def test_large(self, handle: PluginHandle, size: int) -> None:
        text = "x" * (size - 8) + "12345678"
        assert await handle.execute(f"echo {text}") == text

    async def test_result_over_limit(self, handle: PluginHandle) -> None:
        with pytest.raises(PayloadTooLarge):
            await handle.execute(f"big {33 << 20}")
        assert await handle.execute("echo on") == "on"

    async def test_input_over_limit(self, handle: PluginHandle) -> None:
        with pytest.raises(PayloadTooLarge):
            await handle.execute("x" * ((32 << 20) + 1))

    # -- calls

    async def test_concurrency(self, handle: PluginHandle) -> None:
        answers = await asyncio.gather(*(handle.execute(f"echo {n}") for n in range(500)))
        assert answers == [str(n) for n in range(500)]

    async def test_mixed_sizes(self, handle: PluginHandle) -> None:
        texts = [f"{n}:" + "y" * (n * 40_000) for n in range(30)]
        assert await asyncio.gather(*(handle.execute(f"echo {t}") for t in texts)) == texts

    async def test_state(self, handle: PluginHandle) -> None:
        assert [await handle.execute("count") for _ in range(3)] == ["1", "2", "3"]

    async def test_error(self, handle: PluginHandle) -> None:
        with pytest.raises(PluginRaised, match="went wrong") as caught:
            await handle.execute("raise it went wrong")
        assert caught.value.code == "plugin-raised"
        assert caught.value.plugin == "conformance"
        assert await handle.execute("echo on") == "on"

    async def test_error_source(self, handle: PluginHandle) -> None:
        with pytest.raises(PluginRaised) as caught:
            await handle.execute("raise look at my line")
        assert self.source_line in caught.value.traceback

    async def test_timeout(self, handle: PluginHandle) -> None:
        with pytest.raises(CallTimeout):
            await handle.execute("hang", timeout=0.2)
        assert await handle.execute("echo fresh", timeout=20) == "fresh"

    async def test_timeout_spares_others(self, handle: PluginHandle) -> None:
        hanging = asyncio.ensure_future(handle.execute("hang", timeout=0.3))
        others = [asyncio.ensure_future(handle.execute(f"echo {n}", timeout=20)) for n in range(20)]
        with pytest.raises(CallTimeout):
            await hanging
        assert await asyncio.gather(*others) == [str(n) for n in range(20)]

    async def test_cancel(self, handle: PluginHandle) -> None:
        task = asyncio.ensure_future(handle.execute("hang"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await handle.execute("echo on", timeout=20) == "on"

    # -- misbehaviour

    async def test_exit(self, handle: PluginHandle) -> None:
        for _ in range(3):
            with pytest.raises(WorkerCrashed) as caught:
                await handle.execute("exit")
            assert caught.value.status == 3
            assert await handle.execute("echo fresh", timeout=20) == "fresh"

    async def test_crash_spares_waiting_calls(self, handle: PluginHandle) -> None:
        crash = asyncio.ensure_future(handle.execute("exit"))
        others = [asyncio.ensure_future(handle.execute(f"echo {n}", timeout=20)) for n in range(50)]
        with pytest.raises(WorkerCrashed):
            await crash
        assert await asyncio.gather(*others) == [str(n) for n in range(50)]

    async def test_output(self, handle: PluginHandle, manager: PluginManager) -> None:
        assert await handle.execute("print a line of output") == "printed"
        await asyncio.sleep(0.1)
        lines = {(line.stream, line.text) for line in manager.logs.lines("conformance")}
        assert {("stdout", "a line of output"), ("stderr", "a line of output")} <= lines

    async def test_flood(self, handle: PluginHandle, manager: PluginManager) -> None:
        assert await handle.execute(f"flood {8 << 20}", timeout=30) == "flooded"
        assert await handle.execute("echo on") == "on"
        assert sum(len(line.text) for line in manager.logs.lines("conformance")) < 8 << 20

    async def test_memory(self, handle: PluginHandle) -> None:
        assert await handle.execute("alloc 32", timeout=30) == "allocated"
        with pytest.raises((ResourceExhausted, WorkerCrashed, PluginRaised)):
            await handle.execute("alloc 1024", timeout=30)
        assert await handle.execute("echo on", timeout=20) == "on"

    # -- confinement: nothing is granted

    async def test_spawn_denied(self, handle: PluginHandle) -> None:
        await self._refused(handle, "spawn")

    async def test_read_denied(self, handle: PluginHandle, tmp_path: Path) -> None:
        secret = tmp_path / "secret.txt"
        secret.write_text("the secret")
        await self._refused(handle, f"read {secret}")
        await self._refused(handle, "read /etc/passwd")
        await self._refused(handle, f"read /proc/{os.getpid()}/environ")

    async def test_write_denied(self, handle: PluginHandle, folder: Path, tmp_path: Path) -> None:
        for path in (tmp_path / "made.txt", folder / "made.txt"):
            await self._refused(handle, f"write {path}")
            assert not path.exists()

    async def test_connect_denied(self, handle: PluginHandle) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.1)
            await self._refused(handle, f"connect {server.getsockname()[1]}")
            with pytest.raises(TimeoutError):
                server.accept()

    async def test_environment_is_not_the_hosts(
        self, monkeypatch: pytest.MonkeyPatch, manager: PluginManager
    ) -> None:
        monkeypatch.setenv("CONFORMANCE_SECRET", "hunter2")
        handle = await manager.load("conformance")
        assert await handle.execute("env CONFORMANCE_SECRET") == ""

    async def _refused(self, handle: PluginHandle, verb: str) -> None:
        with pytest.raises(ExecutionError) as caught:
            await handle.execute(verb, timeout=20)
        assert not isinstance(caught.value, CallTimeout)

    # -- life

    async def test_initialize_fails(self, manager: PluginManager, folder: Path) -> None:
        self._edit(folder, "", '\n[runtime.env]\nCONFORMANCE_INIT = "raise"\n')
        with pytest.raises(InitializeFailed):
            await manager.load("conformance")
        assert manager.get_plugin("conformance") is None

    async def test_initialize_hangs(self, manager: PluginManager, folder: Path) -> None:
        self._edit(
            folder,
            "",
            '\n[runtime.env]\nCONFORMANCE_INIT = "hang"\n[runtime.timeouts]\ninit_timeout_seconds = 0.3\n',
        )
        with pytest.raises(InitializeFailed) as caught:
            await manager.load("conformance")
        assert caught.value.code == "initialize-timeout"

    async def test_entry_point_missing(self, manager: PluginManager, folder: Path) -> None:
        for path in folder.iterdir():
            if path.name != "plugin.toml":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(LoadError):
            await manager.load("conformance")

    async def test_shutdown(self, manager: PluginManager, handle: PluginHandle) -> None:
        await manager.unload("conformance")
        assert any("goodbye" in line.text for line in manager.logs.lines("conformance"))
        with pytest.raises(DevKitError):
            await handle.execute("echo gone")

    async def test_reload(self, manager: PluginManager, handle: PluginHandle) -> None:
        assert await handle.execute("count") == "1"
        before = await handle.execute("pid") if "pid" not in self.unsupported else None
        await manager.reload("conformance")
        assert await handle.execute("count") == "1"
        if before is not None:
            assert await handle.execute("pid") != before

    async def test_reload_loses_no_call(self, manager: PluginManager, handle: PluginHandle) -> None:
        done = 0

        async def caller(number: int) -> None:
            nonlocal done
            for turn in range(40):
                text = f"{number}-{turn}"
                assert await handle.execute(f"echo {text}", timeout=30) == text
                done += 1

        callers = asyncio.gather(*(caller(n) for n in range(16)))
        for _ in range(3):
            await manager.reload("conformance")
        await callers
        assert done == 640

    async def test_failed_reload_keeps_the_old(
        self, manager: PluginManager, handle: PluginHandle, folder: Path
    ) -> None:
        assert await handle.execute("count") == "1"
        self._edit(folder, "", '\n[runtime.env]\nCONFORMANCE_INIT = "raise"\n')
        with pytest.raises(InitializeFailed):
            await manager.reload("conformance")
        assert await handle.execute("count") == "2"

    async def test_nothing_is_left(self, manager: PluginManager, handle: PluginHandle) -> None:
        pid = handle.pid
        await manager.close()
        if pid is not None:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
