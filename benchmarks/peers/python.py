"""Echoes in another process by the usual means of Python programs."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import importlib.metadata
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seat import PAUSE, WINDOW, Figures, Seat, one_at_a_time, rate, spread, text_of


def echo(text: str) -> str:
    """Return the text."""
    return text


class Peer(Seat, ABC):
    """One of them; `burst` makes calls with 64 in flight."""

    version = platform.python_version()
    call: Callable[[str], object]

    @abstractmethod
    def burst(self, text: str, calls: int) -> None:
        """Make calls, so many in flight."""

    def sequential(self, size: int, calls: int) -> Figures:
        return one_at_a_time(self.call, size, calls)

    def flight(self, size: int, calls: int) -> Figures:
        text = text_of(size)
        self.burst(text, WINDOW)
        begin = time.perf_counter_ns()
        self.burst(text, calls)
        return rate(calls, begin)

    async def first_answer(self, starts: int) -> Figures:
        """Time starts of a fresh plugin with their first call."""
        samples = []
        for _ in range(starts):
            await self.stop()
            await asyncio.sleep(PAUSE)
            begin = time.perf_counter_ns()
            await self.start()
            self.call("x" * 100)
            samples.append(time.perf_counter_ns() - begin)
        return spread(samples, 1e6, "ms")


def _ahead(send: Callable[[str], Any], take: Callable[[Any], object], text: str, calls: int) -> None:
    waiting: collections.deque[Any] = collections.deque()
    for _ in range(calls):
        if len(waiting) == WINDOW:
            take(waiting.popleft())
        waiting.append(send(text))
    for each in waiting:
        take(each)


class Pipe(Peer):
    """multiprocessing.Pipe, forked."""

    async def start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=self._serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    @staticmethod
    def _serve(pipe: Any) -> None:
        with contextlib.suppress(EOFError):
            while True:
                pipe.send(echo(pipe.recv()))

    def call(self, text: str) -> object:
        self._pipe.send(text)
        return self._pipe.recv()

    def burst(self, text: str, calls: int) -> None:
        ahead = threading.Semaphore(WINDOW)

        def write() -> None:
            for _ in range(calls):
                ahead.acquire()
                self._pipe.send(text)

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(calls):
            self._pipe.recv()
            ahead.release()
        writer.join()

    async def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


class Pool(Peer):
    """concurrent.futures.ProcessPoolExecutor with one worker, forked."""

    async def start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pool = concurrent.futures.ProcessPoolExecutor(1, context)

    def call(self, text: str) -> object:
        return self._pool.submit(echo, text).result()

    def burst(self, text: str, calls: int) -> None:
        _ahead(lambda each: self._pool.submit(echo, each), lambda future: future.result(), text, calls)

    async def stop(self) -> None:
        self._pool.shutdown()


class Served(Peer):
    """A peer whose plugin is this file, run as a server on a Unix socket."""

    role = ""

    def __init__(self) -> None:
        try:
            self.version = importlib.metadata.version(self.role)
        except importlib.metadata.PackageNotFoundError:
            raise ImportError(f"there is no {self.role}", name=self.role) from None

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="devkit-bench-")
        path = str(Path(self._folder.name) / "socket")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._server = subprocess.Popen([sys.executable, __file__, self.role, path], env=environment)
        while not os.path.exists(path):
            if self._server.poll() is not None:
                raise RuntimeError(f"the server of {self.role} ended")
            time.sleep(0.0005)
        for _ in range(1000):
            with contextlib.suppress(OSError):
                self.connect(path)
                return
            time.sleep(0.0005)

    @abstractmethod
    def connect(self, path: str) -> None:
        """Connect to the server and set `call`."""

    async def stop(self) -> None:
        self._server.kill()
        self._server.wait()
        self._folder.cleanup()


class Rpyc(Served):
    """RPyC."""

    role = "rpyc"

    def connect(self, path: str) -> None:
        import rpyc
        from rpyc.utils.factory import unix_connect

        self._connection = unix_connect(path)
        self.call = self._connection.root.echo
        self._later = rpyc.async_(self.call)

    def burst(self, text: str, calls: int) -> None:
        _ahead(self._later, lambda answer: answer.value, text, calls)


class Pyro(Served):
    """Pyro5."""

    role = "Pyro5"

    def connect(self, path: str) -> None:
        import Pyro5.api

        self._proxy = lambda: Pyro5.api.Proxy(f"PYRO:echo@./u:{path}")
        self.call = self._proxy().echo

    def burst(self, text: str, calls: int) -> None:
        def work() -> None:
            with self._proxy() as proxy:
                for _ in range(calls // WINDOW):
                    proxy.echo(text)

        threads = [threading.Thread(target=work) for _ in range(WINDOW)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def flight(self, size: int, calls: int) -> Figures:
        return super().flight(size, calls // WINDOW * WINDOW)


class Execnet(Peer):
    """execnet, by its own interpreter."""

    def __init__(self) -> None:
        import execnet

        self.version = execnet.__version__
        self._execnet = execnet

    async def start(self) -> None:
        self._group = self._execnet.Group()
        gateway = self._group.makegateway(f"popen//python={sys.executable}")
        self._channel = gateway.remote_exec("for text in channel:\n    channel.send(text)\n")

    def call(self, text: str) -> object:
        self._channel.send(text)
        return self._channel.receive()

    def burst(self, text: str, calls: int) -> None:
        _ahead(self._channel.send, lambda _: self._channel.receive(), text, calls)

    async def stop(self) -> None:
        self._group.terminate(timeout=1)


def serve(role: str, path: str) -> None:
    """Serve until killed."""
    if role == "rpyc":
        import rpyc
        from rpyc.utils.server import ThreadedServer

        class Service(rpyc.Service):  # type: ignore[misc]
            def exposed_echo(self, text: str) -> str:
                return text

        ThreadedServer(Service, socket_path=path).start()
        return
    import Pyro5.api

    Pyro5.config.THREADPOOL_SIZE = 100

    @Pyro5.api.expose
    class Echo:
        def echo(self, text: str) -> str:
            return text

    daemon = Pyro5.api.Daemon(unixsocket=path)
    daemon.register(Echo, "echo")
    daemon.requestLoop()


if __name__ == "__main__":
    serve(*sys.argv[1:])
