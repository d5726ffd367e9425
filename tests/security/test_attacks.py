"""What a confined child tries, with and without the right that would allow it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

DENIED = ("EPERM", "EACCES")


@dataclass(frozen=True)
class Cell:
    """One attack under one set of rights, and what must come of it."""

    name: str
    code: str
    expected: tuple[str, ...]
    grants: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} [{' '.join(self.grants) or 'nothing granted'}]"


def _cells() -> Iterator[Cell]:
    def both(name: str, code: str, right: str, *, granted: tuple[str, ...] = ("ok",)) -> Iterator[Cell]:
        yield Cell(name, code, DENIED)
        yield Cell(name, code, granted, (right,))

    def never(name: str, code: str, *rights: str, expected: tuple[str, ...] = DENIED) -> Iterator[Cell]:
        yield Cell(name, code, expected)
        for right in rights:
            yield Cell(name, code, expected, (right,))

    def always(name: str, code: str, *rights: str) -> Iterator[Cell]:
        yield from never(name, code, *rights, expected=("ok",))

    everything = ("filesystem:read-write", "network:access", "process:spawn", "system:info")

    # Files
    yield from always("read the plugin's own file", "open(PLUGIN + '/file.txt').read()")
    yield from always("list the plugin's folder", "os.listdir(PLUGIN)")
    yield from both("read the working folder", "open(CWD + '/file.txt').read()", "filesystem:read")
    yield from both("list the working folder", "os.listdir(CWD)", "filesystem:read=$CWD")
    yield from both("write the working folder", "open(CWD + '/new', 'w').write('x')", "filesystem:write")
    yield from never("write with the right to read", "open(CWD + '/x', 'w')", "filesystem:read")
    yield from never("read with the right to write", "open(CWD + '/file.txt').read()", "filesystem:write")
    yield from never("read outside", "open(OUTSIDE + '/file.txt').read()", *everything)
    yield from never("list outside", "os.listdir(OUTSIDE)", *everything)
    yield from never("write outside", "open(OUTSIDE + '/new', 'w')", *everything)
    yield from never("empty a file outside", "os.truncate(OUTSIDE + '/file.txt', 0)", *everything)
    yield from never("remove a file outside", "os.unlink(OUTSIDE + '/file.txt')", *everything)
    yield from never("rename a file outside", "os.rename(OUTSIDE + '/file.txt', OUTSIDE + '/y')", *everything)
    yield from never("make a folder outside", "os.mkdir(OUTSIDE + '/d')", *everything)
    yield from never(
        "link a file outside into scratch",
        "os.link(OUTSIDE + '/file.txt', SCRATCH + '/hard')",
        *everything,
        expected=(*DENIED, "EXDEV"),
    )
    yield from never(
        "read outside through a link of its own",
        "os.symlink(OUTSIDE + '/file.txt', SCRATCH + '/l%d' % os.getpid())\n"
        "open(SCRATCH + '/l%d' % os.getpid()).read()",
        *everything,
    )
    yield from never("read outside from below", "open(PLUGIN + '/../outside/file.txt').read()")
    yield from never("change its own files", "open(PLUGIN + '/file.txt', 'a')", "filesystem:read")
    yield from never("empty its own file", "os.open(PLUGIN + '/file.txt', os.O_RDONLY | os.O_TRUNC)")
    yield from never("read the users", "open('/etc/passwd').read()", *everything)
    yield from never(
        "read the environment of its parent", "open(f'/proc/{PARENT}/environ').read()", *everything
    )
    yield from never("read its own process", "open('/proc/self/maps').read()", *everything)
    yield from never("list processes", "os.listdir('/proc')", *everything)
    yield from never("read the kernel's settings", "open('/proc/sys/kernel/hostname').read()", *everything)
    yield from both("read facts of the machine", "open('/proc/cpuinfo').read()", "system:info")
    yield from never(
        "read a disk", "os.open('/dev/vda', os.O_RDONLY)", *everything, expected=(*DENIED, "ENOENT")
    )
    yield from never("make shared memory", "open('/dev/shm/x%d' % os.getpid(), 'w')", *everything)
    yield from never("make a named pipe", "os.mkfifo(SCRATCH + '/pipe')")
    yield from never("make a device", "os.mknod(SCRATCH + '/null', 0o20666, os.makedev(1, 3))", *everything)
    yield from always("read random bytes", "open('/dev/urandom', 'rb').read(4)")
    yield from always("throw bytes away", "open('/dev/null', 'w').write('x')")
    yield from always(
        "use scratch",
        "import tempfile, shutil\n"
        "assert tempfile.gettempdir() == SCRATCH\n"
        "with tempfile.TemporaryDirectory() as d:\n"
        "    with tempfile.NamedTemporaryFile(dir=d) as f: f.write(b'x')\n"
        "    open(d + '/a', 'w').write('a'); os.mkdir(d + '/b'); os.rename(d + '/a', d + '/b/a')\n"
        "    shutil.copyfile(d + '/b/a', d + '/c'); os.truncate; os.link(d + '/c', d + '/e')\n",
    )
    # What Landlock doesn't know
    for name, code in (
        ("mode", "os.chmod(PLUGIN + '/file.txt', 0o777)"),
        ("mode by descriptor", "os.fchmod(os.open(PLUGIN + '/file.txt', os.O_RDONLY), 0o777)"),
        ("owner", "os.chown(PLUGIN + '/file.txt', os.getuid(), -1)"),
        ("times", "os.utime(PLUGIN + '/file.txt')"),
        ("attributes", "os.setxattr(PLUGIN + '/file.txt', 'user.x', b'y')"),
    ):
        yield from never(f"change a file's {name}", code, *everything)
    yield from never("read a file's attributes", "os.listxattr(OUTSIDE + '/file.txt')", expected=("ENOTSUP",))
    # Processes
    yield from both("fork", "pid = os.fork()\nif not pid: os._exit(0)\nos.waitpid(pid, 0)", "process:spawn")
    yield from both(
        "run a program", "import subprocess\nsubprocess.run(['/bin/true'], check=True)", "process:spawn"
    )
    yield from both(
        "run Python",
        "import subprocess\nsubprocess.run([PYTHON, '-I', '-S', '-c', ''], check=True)",
        "process:spawn",
    )
    yield from both(
        "run its own script",
        "import subprocess\nsubprocess.run([PLUGIN + '/tool.sh'], check=True)",
        "process:spawn",
    )
    yield from never("become a program", "os.execv('/bin/true', ['true'])")
    yield from never(
        "become a program by descriptor", "os.execve(os.open('/dev/null', os.O_RDONLY), ['x'], {})"
    )
    yield from never(
        "run a program it wrote",
        "path = SCRATCH + '/p%d' % os.getpid()\n"
        "fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o755); os.write(fd, b'#!/bin/sh\\n'); os.close(fd)\n"
        "os.execv(path, ['p'])",
        "process:spawn",
    )
    yield from never("clone without threads", "call(56, 17, 0, 0, 0, 0)")
    yield from never("clone3", "call(435, 0, 0)", expected=("ENOSYS",))
    yield from never("clone into a namespace", "call(56, 0x10000000 | 17, 0, 0, 0, 0)", "process:spawn")
    yield from always(
        "threads",
        "seen = []\nthreads = [threading.Thread(target=seen.append, args=(i,)) for i in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]; assert len(seen) == 8",
        *everything,
    )
    yield from never("signal its parent", "os.kill(os.getppid(), 0)", *everything)
    yield from never("signal the host", "os.kill(PARENT, 0)", *everything)
    yield from never("signal everybody", "os.kill(-1, 0)", expected=(*DENIED, "ESRCH"))
    yield from never("signal its group", "os.kill(0, 0)")
    yield from never("signal a thread outside", "call(234, PARENT, PARENT, 0)", *everything)
    yield from never("queue a signal", "call(129, PARENT, 0, ctypes.create_string_buffer(128))", *everything)
    yield from never("tkill", "call(200, PARENT, 0)", *everything)
    yield from never(
        "own its input's signals", "import fcntl\nfcntl.fcntl(1, fcntl.F_SETOWN, PARENT)", *everything
    )
    yield from always(
        "signal itself",
        "signal.signal(signal.SIGUSR1, lambda *a: None)\n"
        "os.kill(os.getpid(), signal.SIGUSR1); signal.raise_signal(signal.SIGUSR1)",
    )
    yield from never("trace its parent", "call(101, 16, PARENT, 0, 0)", *everything)
    yield from never("read another's memory", "call(310, PARENT, 0, 0, 0, 0, 0)", *everything)
    yield from never("open a process", "os.pidfd_open(PARENT)")
    yield from never("take a descriptor", "call(438, 0, 0, 0)", *everything)
    # Network
    tcp = "socket.socket(socket.AF_INET, socket.SOCK_STREAM)"
    yield from both("make a TCP socket", tcp, "network:https")
    yield from both("make a TCP socket of version 6", "socket.socket(socket.AF_INET6)", "network:http")
    connect = f"{tcp}.connect(('127.0.0.1', PORT))"
    yield from never("connect", connect, *everything)
    raw = "struct.pack('=HH4s8x', 2, socket.htons(PORT), socket.inet_aton('127.0.0.1'))"
    yield from never("connect past the library", f"s = {tcp}\ncall(42, s.fileno(), {raw}, 16)", *everything)
    yield from never("listen", f"{tcp}.listen()", *everything)
    yield from never("bind", f"{tcp}.bind(('127.0.0.1', 0))", *everything)
    yield from never("accept", f"{tcp}.accept()", *everything)
    yield from never("fast open", f"{tcp}.sendto(b'x', 0x20000000, ('127.0.0.1', PORT))", *everything)
    yield from never(
        "fast open without an address",
        f"{tcp}.sendmsg([b'x'], [], 0x20000000, ('127.0.0.1', PORT))",
        *everything,
    )
    yield from never("fast open by option", f"{tcp}.setsockopt(6, 30, 1)", *everything)
    yield from never("attach a program to a socket", f"{tcp}.setsockopt(1, 26, b'\\0' * 16)", *everything)
    yield from never("bind to a device", f"{tcp}.setsockopt(1, 25, b'lo')", *everything)
    for name, family, kind, protocol in (
        ("MPTCP", "AF_INET", "SOCK_STREAM", 262),
        ("SCTP", "AF_INET", "SOCK_STREAM", 132),
        ("UDP", "AF_INET", "SOCK_DGRAM", 0),
        ("UDP of version 6", "AF_INET6", "SOCK_DGRAM", 0),
        ("ping", "AF_INET", "SOCK_DGRAM", 1),
        ("raw", "AF_INET", "SOCK_RAW", 1),
        ("unix", "AF_UNIX", "SOCK_STREAM", 0),
        ("netlink", "AF_NETLINK", "SOCK_RAW", 0),
        ("packet", "AF_PACKET", "SOCK_RAW", 0),
        ("vsock", "AF_VSOCK", "SOCK_STREAM", 0),
        ("kernel crypto", "AF_ALG", "SOCK_SEQPACKET", 0),
        ("bluetooth", "AF_BLUETOOTH", "SOCK_RAW", 0),
    ):
        code = f"socket.socket(getattr(socket, {family!r}, 31), socket.{kind}, {protocol})"
        yield from never(f"make a socket: {name}", code, *everything)
    yield from never("connect to a unix socket", "socket.socket(socket.AF_UNIX).connect(UNIX)", *everything)
    yield from never(
        "connect to an abstract socket", "socket.socket(socket.AF_UNIX).connect(ABSTRACT)", *everything
    )
    yield from never(
        "send to a unix socket", "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", *everything
    )
    yield from never("a raw unix pair", "socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)", *everything)
    pair = "a, b = socket.socketpair(); a.sendall(b'x'); assert b.recv(1) == b'x'"
    yield from always("talk to itself", pair, *everything)
    # Memory
    yield from never(
        "take too much memory", "x = bytearray(400 << 20)", *everything, expected=("MemoryError",)
    )
    yield from never(
        "take too much in small pieces",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        expected=("MemoryError",),
    )
    yield from never("memory in a file", "os.memfd_create('x')", *everything)
    yield from never("secret memory", "call(447, 0)", *everything)
    yield from never("shared memory", "import mmap\nmmap.mmap(-1, 4096)", *everything)
    shared = "import mmap\nfd = os.open('/dev/zero', os.O_RDWR)\nmmap.mmap(fd, 4096)"
    yield from never("shared memory by device", shared, *everything)
    yield from never(
        "memory that grows down", "import mmap\nmmap.mmap(-1, 1 << 20, flags=0x122)", *everything
    )
    yield from never("System V memory", "call(29, 0, 4096, 0o1600)", *everything)
    yield from never("a message queue", "call(240, b'x', 0o102, 0o600, 0)", *everything)
    yield from never("lock memory", "call(149, 0, 4096)", *everything)
    yield from never(
        "enlarge a pipe", "import fcntl\nr, w = os.pipe()\nfcntl.fcntl(w, 1031, 1 << 20)", *everything
    )
    yield from always("private memory", "import mmap\nmmap.mmap(-1, 4096, flags=0x22)", *everything)
    big = "f = open(SCRATCH + '/big%d' % os.getpid(), 'wb')\ntry:\n    os.ftruncate(f.fileno(), 200 << 20)\n"
    yield from never("a file over the limit", f"{big}finally:\n    os.unlink(f.name)", expected=("EFBIG",))
    yield from never(
        "too many descriptors", "x = [os.dup(1) for _ in range(100)]", *everything, expected=("EMFILE",)
    )
    wide = "struct.pack('=QQ', 1 << 40, 1 << 40)"
    yield from never("raise a limit", f"call(302, 0, 2, {wide}, 0)", *everything)
    yield from never(
        "set a limit",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        *everything,
        expected=(*DENIED, "ValueError"),
    )
    yield from never(
        "lower a limit of another", "resource.prlimit(PARENT, resource.RLIMIT_CORE, (0, 0))", *everything
    )
    yield from always("read a limit", "resource.getrlimit(resource.RLIMIT_DATA)", *everything)
    # The kernel's other doors
    for name, number in (
        ("io_uring", 425), ("bpf", 321), ("keyctl", 250), ("add_key", 248), ("userfaultfd", 323),
        ("perf_event_open", 298), ("unshare", 272), ("setns", 308), ("mount", 165), ("umount", 166),
        ("pivot_root", 155), ("chroot", 161), ("fsopen", 430), ("open_tree", 428), ("personality", 135),
        ("kexec_load", 246), ("init_module", 175), ("reboot", 169), ("swapon", 167), ("sethostname", 170),
        ("settimeofday", 164), ("clock_settime", 227), ("iopl", 172), ("syslog", 103), ("acct", 163),
        ("quotactl", 179), ("name_to_handle_at", 303), ("open_by_handle_at", 304), ("fanotify_init", 300),
        ("inotify_init1", 294), ("kcmp", 312), ("process_madvise", 440), ("landlock_restrict_self", 446),
        ("seccomp", 317), ("modify_ldt", 154), ("vmsplice", 278), ("mincore", 27), ("mbind", 237),
        ("setuid", 105), ("setresuid", 117), ("setgroups", 116), ("capset", 126), ("setpriority", 141),
        ("sched_setscheduler", 144), ("vhangup", 153), ("lookup_dcookie", 212),
    ):  # fmt: skip
        yield from never(name, f"call({number}, 0, 0, 0, 0, 0)", *everything)
    yield from never("a call of the future", "call(462, 0, 0)", expected=("ENOSYS",))
    yield from never("a call of the x32 table", "call(0x40000000 + 39)", expected=("SIGSYS",))
    for name, code in (
        ("stay when the host ends", "call(157, 1, 0, 0, 0, 0)"),
        ("become readable", "call(157, 4, 1, 0, 0, 0)"),
        ("keep capabilities", "call(157, 8, 1, 0, 0, 0)"),
        ("raise a capability", "call(157, 47, 2, 0, 0, 0)"),
        ("type into the terminal", "import fcntl\nfcntl.ioctl(1, 0x5412, b'x')"),
    ):
        yield from never(name, code, *everything)
    yield from always(
        "have no capability",
        "data = ctypes.create_string_buffer(24)\n"
        "call(125, ctypes.create_string_buffer(struct.pack('=Ii', 0x20080522, 0)), data)\n"
        "assert data.raw == b'\\0' * 24\n"
        "assert call(157, 39, 0, 0, 0, 0) == 1",
    )
    yield from always("know its environment", "assert set(os.environ) == {'PATH', 'HOME', 'TMPDIR', 'LANG'}")


CELLS = tuple(_cells())


@pytest.fixture(scope="session")
def world() -> Iterator[dict[str, Any]]:
    """Servers outside, which no attack may reach."""
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as path,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        tcp.settimeout(0)
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path.bind(f"{folder}/socket")
            path.listen()
            name = f"\0devkit-{threading.get_native_id()}"
            abstract.bind(name)
            abstract.listen()
            yield {"PORT": tcp.getsockname()[1], "UNIX": f"{folder}/socket", "ABSTRACT": name}
        with pytest.raises(BlockingIOError):
            tcp.accept()


@pytest.fixture(scope="session")
def results(laboratory: Any, world: dict[str, Any]) -> Any:
    """Outcomes of all cells with the same rights, tried when the first is asked for."""

    @cache
    def of(grants: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        cells = [cell for cell in CELLS if cell.grants == grants]
        outcomes = laboratory.run([cell.code for cell in cells], grants, names=world)
        return {cell.name: outcome for cell, outcome in zip(cells, outcomes, strict=True)}

    return of


# Attacks that an unconfined child brings off: the confinement stops them, not a mistake in them.
GENUINE = (
    "list outside",
    "read outside",
    "read outside from below",
    "read outside through a link of its own",
    "change its own files",
    "read the users",
    "read the environment of its parent",
    "list processes",
    "make shared memory",
    "make a named pipe",
    "change a file's mode",
    "change a file's mode by descriptor",
    "change a file's times",
    "fork",
    "run a program",
    "run a program it wrote",
    "signal its parent",
    "open a process",
    "connect",
    "connect past the library",
    "listen",
    "bind",
    "fast open",
    "fast open without an address",
    "make a socket: UDP",
    "make a socket: unix",
    "make a socket: netlink",
    "connect to a unix socket",
    "connect to an abstract socket",
    "send to a unix socket",
    "take too much memory",
    "memory in a file",
    "shared memory",
    "memory that grows down",
    "System V memory",
    "enlarge a pipe",
    "too many descriptors",
    "unshare",
    "inotify_init1",
)


def test_attacks_succeed_without_confinement(laboratory: Any) -> None:
    genuine = [n for n in GENUINE if laboratory.uid is None or n != "read the environment of its parent"]
    codes = {cell.name: cell.code for cell in CELLS if not cell.grants}
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as path:
        where = str(laboratory.root / "unix")
        path.bind(where)
        os.chmod(where, 0o777)
        path.listen()
        names = {"PORT": tcp.getsockname()[1], "UNIX": where, "ABSTRACT": f"\0devkit-{id(tcp)}"}
        with socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind(names["ABSTRACT"])
            abstract.listen()
            outcomes = laboratory.run([codes[name] for name in genuine], confined=False, names=names)
    os.unlink(where)
    assert {n: o for n, o in zip(genuine, outcomes, strict=True) if o["is"] not in ("ok", "exit 0")} == {}


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_attack(cell: Cell, results: Any) -> None:
    outcome = results(cell.grants)[cell.name]
    assert outcome["is"] in cell.expected, outcome


def test_the_table_is_large_and_its_cells_are_distinct() -> None:
    assert len(CELLS) >= 200
    assert len({str(cell) for cell in CELLS}) == len(CELLS)
