"""The zygote: a warm interpreter that forks workers, as the host asks.

Run as `python -I -S zygote.py FD [FILE FOLDER…]` with a SOCK_SEQPACKET socket as FD; FILE makes programs
of another kind of plugin than Python's, and finds its modules in the FOLDERs. It has no threads and no event
loop, holds no secret and is never fed a byte of a plugin. A request is a number, a space and one JSON
object, with the worker's descriptors (channel, stdout, stderr, page and, where there is one, broker); the
answer is one JSON message with the worker's pidfd. Deaths are reported as they happen. When the host is
gone, so is all.

A worker has as its own every page of memory that it writes to, and it writes to each object that it so
much as looks at: so what it does before its plugin is there goes past the layers of `signal`, `socket`
and `json`.

From the second request on, one worker is forked ahead of the next: who starts a second one will start more.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import contextlib
import ctypes
import gc
import importlib.util
import json
import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGE = "_devkit_child"
_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
#: descriptors a worker starts with: 0 nothing, 1 and 2 its output, 3 the channel, 4 the broker
_CHANNEL, _BROKER = 3, 4
#: time without a request before the next worker is forked ahead, not to hold up the last
_REST, _EVER = struct.pack("ll", 0, 20_000), struct.pack("ll", 0, 0)
_REQUEST = 256 * 1024
#: this folder's modules by name, imported before the first fork
PARTS: dict[str, ModuleType] = {}
#: what the zygote has handlers for, and a worker must not
_HANDLED = {int(signal.SIGCHLD), int(signal.SIGHUP)}
_RIGHTS = _socket.CMSG_SPACE(8 * 4)  # for at most eight descriptors


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


def warm() -> None:
    """Do once what every worker would do first, so that a fork inherits it."""
    rehearse()
    os.environ.clear()
    streams()
    sys.meta_path.append(Offered())
    PARTS["network"].install_denied()
    gc.collect()
    gc.freeze()
    gc.disable()


def rehearse() -> None:
    """Do once what a worker does, with a plugin of our own, so that the memory for it is written to now."""
    frames, serve = PARTS["frames"], PARTS["serve"]
    code = compile("def execute(text):\n return text\n", "rehearsal.py", "exec")
    program = PARTS["program"].module("rehearsal.py", code, [])
    del sys.modules["rehearsal"]
    PARTS["confine"].rehearse()
    ours, theirs = _socket.socketpair()
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        for kind, flags, call, payload in (
            (frames.WELCOME, 0, 0, b'{"payload": 65536, "frame": 65536, "window": 65536, "features": []}'),
            (frames.INITIALIZE, 0, 0, b""),
            (frames.CALL, frames.TEXT | frames.END, 1, b"rehearsal"),
            (frames.SHUTDOWN, 0, 0, b""),
        ):
            ours.sendall(frames.encode(kind, flags, 0, call, payload))
        serve.serve(frames.Wire(theirs), program, "rehearsal.py", page)
        _signal.signal(_signal.SIGURG, _signal.SIG_DFL)
    ours.close()
    theirs.close()


class Zygote:
    """Forks workers and tells the host of their deaths."""

    def __init__(self, control: _socket.socket) -> None:
        self.control = control
        self.workers: set[int] = set()
        self.spare: tuple[int, _socket.socket] | None = None  # forked ahead: its pid, and what wakes it
        self.asked = 0

    def say(self, message: str, descriptors: list[int] | None = None) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            send(self.control, message.encode(), descriptors or [])

    def reap(self, *_: object) -> None:
        """Collect the dead, report workers, and end what a dead worker left behind."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                break
            if pid in self.workers:
                self.workers.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                self.say(f'{{"exit": {pid}, "status": {code}, "peak": {used.ru_maxrss}}}')
            elif self.spare is not None and pid == self.spare[0]:
                self.spare[1].close()
                self.spare = None
        known = self.workers if self.spare is None else self.workers | {self.spare[0]}
        for orphan in self.children() - known:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)

    def children(self) -> set[int]:
        try:
            file = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
        except OSError:
            return set()
        try:
            return {int(pid) for pid in os.read(file, 1 << 20).split()}
        finally:
            os.close(file)

    def run(self) -> None:
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # the end of the channel says that the host is gone, but a fork of the host may hold it open
        signal.signal(signal.SIGHUP, self.hang_up)
        _LIBC.prctl(_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
        signal.signal(signal.SIGCHLD, self.reap)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.say(f'{{"ready": {os.getpid()}}}')
        while True:
            try:
                data, descriptors = receive(self.control)
            except BlockingIOError:
                self.control.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, _EVER)
                self.fork_ahead()
                continue
            except ConnectionResetError:
                break
            if not data:
                break
            try:
                number, _, request = data.partition(b" ")
                self.start(int(number), request, descriptors)
            finally:
                for fd in descriptors:
                    os.close(fd)
            self.asked += 1
            if self.asked > 1:
                self.control.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVTIMEO, _REST)
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

    def start(self, number: int, request: bytes, descriptors: list[int]) -> None:
        """Make a worker, of the one that was forked ahead where there is one, and tell the host."""
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _HANDLED)
        try:
            pid = self.wake(request, descriptors)
            if pid is None:
                try:
                    pid = fork(lambda: worker(request, descriptors))
                except OSError as error:
                    self.say(json.dumps({"id": number, "failed": f"fork: {error.strerror}"}))
                    return
            self.workers.add(pid)
            watch = os.pidfd_open(pid)
            self.say(f'{{"id": {number}, "pid": {pid}}}', [watch])
            os.close(watch)
        finally:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _HANDLED)

    def wake(self, request: bytes, descriptors: list[int]) -> int | None:
        """Give a request to the process that was forked ahead; return its pid, or None without one."""
        if self.spare is None:
            return None
        (pid, link), self.spare = self.spare, None
        try:
            send(link, request, descriptors)
        except OSError:  # it is ending
            return None
        finally:
            link.close()
        return pid

    def fork_ahead(self) -> None:
        """Fork the next worker now, so that the fork, and the memory that it writes to, cost no start."""
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _HANDLED)
        try:
            ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            try:
                self.spare = fork(lambda: wait(theirs.fileno())), ours
            finally:
                theirs.close()
        except OSError:  # the next request forks for itself, or says why it can't
            pass
        finally:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _HANDLED)


def send(to: _socket.socket, data: bytes, descriptors: list[int]) -> None:
    rights = struct.pack(f"{len(descriptors)}i", *descriptors)
    to.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if descriptors else [])


def receive(source: _socket.socket) -> tuple[bytes, list[int]]:
    """Return a request and its descriptors; nothing where the other end is closed."""
    data, sent, _, _ = source.recvmsg(_REQUEST, _RIGHTS)
    return data, [fd for _, _, rights in sent for fd in memoryview(rights).cast("i")]


def fork(run: Callable[[], int]) -> int:
    """Fork a process that leads a session, ends with this one and with what `run` returns; return its pid.

    Called with signals held. Raises OSError.
    """
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            for number in (*_HANDLED, _signal.SIGINT):
                _signal.signal(number, _signal.SIG_DFL)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _HANDLED)
            os.setsid()
            _LIBC.prctl(_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
            if os.getppid() != 1:  # else the zygote ended before the kernel was told
                status = run()
        finally:
            os._exit(status)
    return pid


def wait(link: int) -> int:
    """Wait to become a worker; holds nothing open but what tells of it."""
    os.dup2(link, _CHANNEL)
    os.closerange(_CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
    rehearse()
    waker = _socket.socket(fileno=_CHANNEL)
    request, descriptors = receive(waker)
    waker.close()
    return worker(request, descriptors) if request else 0


def worker(message: bytes, descriptors: list[int]) -> int:
    """Become a worker: descriptors, environment, confinement, then the plugin. Returns the exit status."""
    page = arrange(descriptors)
    request = PARTS["serve"].parse(message.decode(), 0)[0]
    wire = PARTS["frames"].Wire(_socket.socket(fileno=_CHANNEL))
    path = request["entry"]
    try:
        for name, value in request["environment"].items():
            os.environ[name] = value
        os.chdir(request["cwd"])
        if request["plan"] is not None:
            PARTS["confine"].apply(PARTS["confine"].prepare(request["plan"]))
        if request["broker"]:
            PARTS["network"].install(_BROKER)
        elif request["plan"] is None:
            PARTS["network"].uninstall()
        if request["argv"]:
            os.set_inheritable(_CHANNEL, True)
            if request["broker"]:
                os.set_inheritable(_BROKER, True)
            os.execve(request["argv"][0], request["argv"], os.environ)  # noqa: S606 - no shell is wanted
        gc.enable()
        sys.path.insert(0, request["folder"])
        sys.path.extend(request["path"])  # never by `site`, which would run their .pth files
        program = PROGRAM.load(request)
    except BaseException as error:  # any failure is told, and nothing runs
        refuse(wire, error, path)
        return 70
    PARTS["serve"].serve(wire, program, path, page)
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
    progress = mmap.mmap(page, 0)
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
        body = PARTS["program"].failure(error, path)
        if body["code"] == "plugin-raised":
            body["code"] = "load-failed"
        wire.send(PARTS["frames"].encode(PARTS["frames"].ERROR, 0, 0, 0, json.dumps(body).encode()))
    except (OSError, PARTS["frames"].Gone):
        pass


class Offered:
    """Finds `devkit_plugin`, by which plugins reach their host, where they have none of that name.

    Without the base classes of `importlib.abc`, which would import a dozen modules.
    """

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == "devkit_plugin" else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module(f"{_PACKAGE}.{spec.name}")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing more: it has been made."""


class Loading:
    """How a plugin's file becomes a Program: Python's way, or that of the loader the zygote is for."""

    def load(self, request: dict[str, Any]) -> Any:
        return PARTS["program"].load(request["entry"], request["functions"])


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
        return self.module.load(request, PARTS["program"])


def main() -> None:
    package()
    for name in ("frames", "program", "serve", "confine", "network", "hosting", "devkit_plugin"):
        PARTS[name] = importlib.import_module(f"{_PACKAGE}.{name}")
    if len(sys.argv) > 2:
        global PROGRAM  # noqa: PLW0603 - set once, before the first fork
        PROGRAM = LoadingBy(sys.argv[2], sys.argv[3:])
    control = _socket.socket(fileno=int(sys.argv[1]))
    warm()
    Zygote(control).run()


PROGRAM = Loading()

if __name__ == "__main__":
    main()
