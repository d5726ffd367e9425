"""The zygote: a warm interpreter that forks workers, as the host asks.

Run as `python -I -S zygote.py FD [FILE FOLDER…]` with a SOCK_SEQPACKET socket as FD; FILE makes programs
of another kind of plugin than Python's, and finds its modules in the FOLDERs. It has no threads and no event
loop, holds no secret and is never fed a byte of a plugin. A request is one JSON message with the
worker's descriptors (channel, stdout, stderr, page and, where there is one, broker); the answer is one JSON
message with the worker's pidfd. Deaths are reported as they happen. When the host is gone, so is all.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.abc
import importlib.util
import json
import mmap
import os
import signal
import socket
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = "_devkit_child"
_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
#: descriptors a worker starts with: 0 nothing, 1 and 2 its output, 3 the channel, 4 the broker
_CHANNEL, _BROKER = 3, 4
_REQUEST = 256 * 1024
#: what the zygote has handlers for, and a worker must not
_HANDLED = {signal.SIGCHLD, signal.SIGHUP}


def package() -> None:
    """Make this folder importable under a name that no plugin's module can shadow."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = module
    spec.loader.exec_module(module)


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{_PACKAGE}.{name}")


def warm() -> None:
    """Do once what every worker would do first, so that a fork inherits it."""
    exec(compile(part("program").ast.parse("def f(x):\n return x\n"), "warm", "exec"), {})
    json.loads(json.dumps({"warm": [1, "x", None, True, 1.5]}))
    gc.collect()
    gc.freeze()
    gc.disable()


class Zygote:
    """Forks workers and tells the host of their deaths."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.workers: set[int] = set()

    def say(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        data = json.dumps(message).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if descriptors:
                socket.send_fds(self.control, [data], descriptors)
            else:
                self.control.send(data)

    def reap(self, *_: object) -> None:
        """Collect the dead, report workers, and end what a dead worker left behind."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                break
            if pid in self.workers:
                self.workers.discard(pid)
                self.say({"exit": pid, "status": os.waitstatus_to_exitcode(status)})
        for orphan in self.children() - self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)

    def children(self) -> set[int]:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                return {int(pid) for pid in file.read().split()}
        except OSError:
            return set()

    def run(self) -> None:
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # the end of the channel says that the host is gone, but a fork of the host may hold it open
        signal.signal(signal.SIGHUP, self.hang_up)
        _LIBC.prctl(_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
        signal.signal(signal.SIGCHLD, self.reap)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.say({"ready": os.getpid()})
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.control, _REQUEST, 8)
            except ConnectionResetError:
                break
            if not data:
                break
            try:
                self.fork(json.loads(data), descriptors)
            finally:
                for fd in descriptors:
                    os.close(fd)
        self.hang_up()

    def hang_up(self, *_: object) -> None:
        """End with everything below, also what plugins with that right have started and left."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        left = self.workers | self.children()
        while left:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)  # what the dead one had started is this process's from now on
            left = self.children()
        os._exit(0)

    def fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            try:
                pid = os.fork()
            except OSError as error:
                self.say({"id": request["id"], "failed": f"fork: {error.strerror}"})
                return
            if pid == 0:
                status = 70
                try:
                    for number in _HANDLED:
                        signal.signal(number, signal.SIG_DFL)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
                    status = worker(request, descriptors)
                finally:
                    os._exit(status)
            self.workers.add(pid)
            watch = os.pidfd_open(pid)
            self.say({"id": request["id"], "pid": pid}, [watch])
            os.close(watch)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)


def worker(request: dict[str, Any], descriptors: list[int]) -> int:
    """Become a worker: descriptors, environment, confinement, then the plugin. Returns the exit status."""
    page = arrange(descriptors)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    _LIBC.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:  # the zygote ended before the kernel was told
        return 70
    channel = socket.socket(fileno=_CHANNEL)
    wire = part("frames").Wire(channel)
    path = request["entry"]
    try:
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["cwd"])
        streams()
        network = part("network")
        if request["plan"] is not None:
            confine = part("confine")
            confine.apply(confine.prepare(request["plan"]))
        if request["broker"]:
            network.install(_BROKER)
        elif request["plan"] is not None:
            network.install_denied()
        if request["argv"]:
            os.set_inheritable(_CHANNEL, True)
            if request["broker"]:
                os.set_inheritable(_BROKER, True)
            os.execve(request["argv"][0], request["argv"], os.environ)  # noqa: S606 - no shell is wanted
        gc.enable()
        sys.path.insert(0, request["folder"])
        sys.path.extend(request["path"])  # never by `site`, which would run their .pth files
        sys.meta_path.append(Offered())
        program = PROGRAM.load(request)
    except BaseException as error:  # any failure is told, and nothing runs
        refuse(wire, error, path)
        return 70
    part("serve").serve(wire, program, path, page)
    return 0


def arrange(descriptors: list[int]) -> mmap.mmap:
    """Put the descriptors where a worker expects them, close all others; return the page for progress."""
    high = [os.dup(fd) for fd in descriptors]
    while min(high) <= _BROKER:
        high = [os.dup(fd) for fd in high]
    channel, out, err, page, *broker = high
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.dup2(channel, _CHANNEL)
    if broker:
        os.dup2(broker[0], _BROKER)
    progress = mmap.mmap(page, mmap.PAGESIZE)
    os.closerange(_BROKER + len(broker), 65536 if sys.maxsize < 2**32 else os.sysconf("SC_OPEN_MAX"))
    return progress


def streams() -> None:
    """Give the plugin line-buffered output streams that never fail on what is printed."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def refuse(wire: Any, error: BaseException, path: str) -> None:
    """Tell the host why there will be no worker, as an error of call 0."""
    try:
        body = part("program").failure(error, path)
        if body["code"] == "plugin-raised":
            body["code"] = "load-failed"
        wire.send(part("frames").encode(part("frames").ERROR, 0, 0, 0, json.dumps(body).encode()))
    except (OSError, part("frames").Gone):
        pass


class Offered(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `devkit_plugin`, by which plugins reach their host, where they have none of that name."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == "devkit_plugin" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return part(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing more: it has been made."""


class Loading:
    """How a plugin's file becomes a Program: Python's way, or that of the loader the zygote is for."""

    def load(self, request: dict[str, Any]) -> Any:
        return part("program").load(request["entry"], request["functions"])


class LoadingBy(Loading):
    """A loader's own file, whose `load(request, kit)` is given the module with Program and Broken."""

    def __init__(self, file: str, folders: list[str]) -> None:
        sys.path.extend(folders)
        spec = importlib.util.spec_from_file_location(f"{_PACKAGE}.loader", file)
        assert spec is not None
        assert spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def load(self, request: dict[str, Any]) -> Any:
        return self.module.load(request, part("program"))


def main() -> None:
    package()
    for name in ("frames", "program", "serve", "confine", "network"):
        part(name)
    if len(sys.argv) > 2:
        global PROGRAM  # noqa: PLW0603 - set once, before the first fork
        PROGRAM = LoadingBy(sys.argv[2], sys.argv[3:])
    control = socket.socket(fileno=int(sys.argv[1]))
    warm()
    Zygote(control).run()


PROGRAM = Loading()

if __name__ == "__main__":
    main()
