"""The host's side of a zygote: workers wanted, deaths learnt."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from devkit_core.errors import LoadError

__all__ = ["Process", "Zygote"]

_SCRIPT = Path(__file__).parent.parent / "child" / "zygote.py"
_MESSAGE = 64 * 1024
#: what a zygote, and so every worker's allocator, starts with: objects of up to 8 MiB come from memory that
#: is kept, as the kernel takes longer to give each page anew than a call takes to fill it
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
_PATIENCE = 10  # seconds for a fork, which takes milliseconds


class Process:
    """One worker process, held by its pidfd, so that no other process can ever be killed in its place."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.peak_mb = 0  # most memory that was resident, known at the end
        self._pidfd = pidfd
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def kill(self) -> None:
        """End it at once; does nothing where it has ended."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def interrupt(self) -> None:
        """Make it look whether its call was cancelled: SIGURG, which does nothing where nobody looks."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGURG)

    async def over(self, seconds: float) -> int | None:
        """Wait for its end, and kill it where that takes too long; return the status it ended with itself."""
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), seconds)
        except TimeoutError:
            self.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self.ended), seconds)
        return None

    def exited(self, status: int, peak_kb: int = 0) -> None:
        """Take its exit status, where negative numbers are signals, and its most memory."""
        self.peak_mb = peak_kb >> 10
        if not self.ended.done():
            self.ended.set_result(status)
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class Zygote:
    """Starts workers by forking a warm interpreter; one a loader, started when first needed.

    `python` is the interpreter to run, isolated from the user's environment and site packages; `program`
    a loader's file that it imports (child/zygote.py), which finds its modules in `folders`. All calls
    are made in one event loop. A zygote that dies is replaced when the next worker is asked for; its
    workers die with it.
    """

    def __init__(
        self, python: str = sys.executable, program: Path | None = None, folders: Sequence[str] = ()
    ) -> None:
        self._command = [python, "-I", "-S", str(_SCRIPT)]
        self._more = [str(program), *folders] if program is not None else []
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._requests: dict[int, asyncio.Future[Process]] = {}
        self._workers: dict[int, Process] = {}
        self._early: dict[int, tuple[int, int]] = {}
        self._next = 0

    @property
    def pid(self) -> int | None:
        """The zygote's own process id, while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the zygote now rather than with the first worker; it warms up while the host goes on."""
        if self._control is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*self._command, str(theirs.fileno()), *self._more],
                    env=_ENVIRONMENT,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C in the terminal is the host's to handle
                )
            except OSError as error:
                ours.close()
                raise LoadError(
                    f"the interpreter {self._command[0]} can't be started: {error.strerror}",
                    code="worker-start",
                    hint="run `devkit doctor`",
                ) from error
        ours.setblocking(False)
        self._control = ours
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(ours.fileno(), self._readable)

    async def spawn(self, request: dict[str, Any], descriptors: Sequence[int]) -> Process:
        """Fork a worker; the request's keys are those that `child/zygote.py` reads.

        The descriptors stay the caller's to close. Raises LoadError where no worker could be made.
        """
        self.start()
        assert self._control is not None
        assert self._loop is not None
        self._next += 1
        number = self._next
        reply: asyncio.Future[Process] = self._loop.create_future()
        self._requests[number] = reply
        data = b"%d %s" % (number, json.dumps(request).encode())
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    try:
                        socket.send_fds(self._control, [data], list(descriptors))
                        break
                    except BlockingIOError:
                        await asyncio.sleep(0.001)
                return await reply
        except TimeoutError:
            raise LoadError(f"the zygote made no worker in {_PATIENCE} s", code="worker-start") from None
        except (BrokenPipeError, ConnectionResetError):
            self._lost()
            raise LoadError("the zygote ended before it made a worker", code="worker-start") from None
        finally:
            self._requests.pop(number, None)

    def _readable(self) -> None:
        while (control := self._control) is not None:
            try:
                data, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 4)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors = b"", []
            if not data:
                self._lost()
                return
            self._message(json.loads(data), descriptors)

    def _message(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if "exit" in message:
            worker = self._workers.pop(message["exit"], None)
            ended = message["status"], message["peak"]
            if worker is None:
                self._early[message["exit"]] = ended
            else:
                worker.exited(*ended)
        elif "id" in message:
            reply = self._requests.pop(message["id"], None)
            if not descriptors:  # the fork failed, or this process may open no further file
                why = message.get("failed", os.strerror(errno.EMFILE))
                if reply is not None and not reply.done():
                    reply.set_exception(LoadError(f"no worker: {why}", code="worker-start"))
                return
            worker = Process(message["pid"], descriptors[0])
            early = self._early.pop(worker.pid, None)
            if early is None:
                self._workers[worker.pid] = worker
            else:
                worker.exited(*early)
            if reply is None or reply.done():
                worker.kill()  # nobody waits for it any more
            else:
                reply.set_result(worker)

    def _lost(self) -> None:
        """The zygote is gone, and with it its workers."""
        self._drop()
        for worker in self._workers.values():
            worker.kill()
            worker.exited(-signal.SIGKILL)
        self._workers.clear()
        self._early.clear()
        for reply in self._requests.values():
            if not reply.done():
                reply.set_exception(
                    LoadError("the zygote ended before it made a worker", code="worker-start")
                )
        self._requests.clear()

    def _drop(self) -> None:
        if self._control is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    async def close(self) -> None:
        """End the zygote and every worker of it; returns when they are gone."""
        waiting: list[Callable[[], None]] = [w.kill for w in self._workers.values()]
        for kill in waiting:
            kill()
        ended = [w.ended for w in self._workers.values()]
        if ended:
            await asyncio.wait(ended, timeout=1.0)
        self._lost()
