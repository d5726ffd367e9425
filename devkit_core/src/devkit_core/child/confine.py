"""Confines the calling process: capabilities, limits, Landlock, seccomp."""

# Runs in the worker, between its fork and the plugin's first byte. The host has decided everything
# (sandbox/plan.py); nothing here chooses. All that can be prepared is prepared at import, in the zygote.

from __future__ import annotations

import binascii
import ctypes
import errno
import os
import resource
import stat
import struct
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
# What is called for each rule has types of its own, so that its arguments cost little.
_openat2, _add_rule = _libc["syscall"], _libc["syscall"]
_openat2.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
_add_rule.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_char_p, ctypes.c_long]
_openat2.restype = _add_rule.restype = ctypes.c_long
_MACHINE = os.uname().machine
_NUMBERS = {"x86_64": (126, 317), "aarch64": (91, 277)}  # capset, seccomp
_CAPSET, _SECCOMP = _NUMBERS.get(_MACHINE, (None, None))
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT, _OPENAT2 = 444, 445, 446, 437  # the same everywhere

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 4, 8, 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522
_FILE_RIGHTS = 0b1100000000000111  # EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE, IOCTL_DEV: all a file can have
_RULE_PATH_BENEATH = 1
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_RESOLVE_NO_SYMLINKS = 0x04
_OPEN_HOW = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_NO_SYMLINKS)
_NO_CAPABILITIES = ctypes.create_string_buffer(24)  # two sets of effective, permitted, inheritable
_CAPABILITY_HEADER = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), 8)


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


class Prepared:
    """Everything opened, measured and packed; made by `prepare`, used once by `apply`."""

    __slots__ = ("limits", "program", "ruleset")

    limits: list[list[int]]
    ruleset: int | None
    program: Program | None


def rehearse() -> None:
    """Do what `prepare` does, for a rule that binds nobody, in a process that is to become a worker."""
    message = {
        "version": 1,
        "memory": {"base": None, "bytes": 0},
        "rlimits": [],
        "landlock": {"struct": [_FILE_RIGHTS], "rules": [["/", 1]]},
        "seccomp": {"program": "AAAAAAAAAAA=", "own_pid": [0]},
    }
    try:
        ready = prepare(message)
    except OSError:  # a kernel without Landlock
        return
    if ready.ruleset is not None:
        os.close(ready.ruleset)


def prepare(message: dict[str, Any]) -> Prepared:
    """Open and pack what the host's message says; restricts nothing yet.

    Called in the worker after its fork, while it has one thread. Raises OSError where a path that is
    to be given can't be opened as it was resolved, RuntimeError where it isn't safe to go on.
    """
    if message.get("version") != 1:
        raise RuntimeError("this worker doesn't know that form of confinement")
    ready = Prepared()
    threads, data = _status()
    if threads != 1:  # Landlock binds the calling thread alone
        raise RuntimeError(f"a process with {threads} threads can't confine itself")
    memory = message["memory"]
    base = data if memory["base"] is None else memory["base"]
    ready.limits = [*message["rlimits"], [resource.RLIMIT_DATA, base + memory["bytes"]]]
    landlock = message["landlock"]
    ready.ruleset = None if landlock is None else _ruleset(landlock["struct"], landlock["rules"])
    seccomp = message["seccomp"]
    ready.program = None
    if seccomp is not None:
        code = bytearray(binascii.a2b_base64(seccomp["program"]))
        for index in seccomp["own_pid"]:
            struct.pack_into("=I", code, index * 8 + 4, os.getpid())
        ready.program = Program(len(code) // 8, bytes(code))
    return ready


def apply(ready: Prepared) -> None:
    """Restrict this process for good; OSError where a step fails, and the caller then exits at once."""
    _drop_capabilities()
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for number, limit in ready.limits:
        hard = resource.getrlimit(number)[1]
        lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        # at the hard limit of the processor time the kernel kills, at the soft one it says why
        grace = 2 if number == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        resource.setrlimit(number, (lowest, lowest + grace))
    if ready.ruleset is not None:
        _call(_LANDLOCK_RESTRICT, ready.ruleset, 0)
        os.close(ready.ruleset)
    if ready.program is not None:
        left = _call(_SECCOMP, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(ready.program))
        if left != 0:  # the number of a thread that could not be brought under the filter
            raise RuntimeError(f"thread {left} can't be brought under the filter")


def _status() -> tuple[int, int]:
    """Return how many threads this process has, and the bytes that RLIMIT_DATA counts."""
    file = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = os.read(file, 1 << 16)
    finally:
        os.close(file)
    threads = text.index(b"\nThreads:") + 9
    data = text.index(b"\nVmData:") + 8
    return int(text[threads : text.index(b"\n", threads)]), int(text[data : text.index(b"kB", data)]) * 1024


def _ruleset(handled: list[int], rules: list[tuple[str, int]]) -> int:
    """Return a descriptor of the whole ruleset, which binds nobody yet."""
    attributes = struct.pack(f"={len(handled)}Q", *handled)
    created = _call(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path, wanted in rules:
        opened = _open(path)
        if opened is None:
            continue
        rights = wanted if stat.S_ISDIR(os.fstat(opened).st_mode) else wanted & _FILE_RIGHTS
        if rights:
            rule = struct.pack("=Qi", rights, opened)
            if _add_rule(_LANDLOCK_ADD, created, _RULE_PATH_BENEATH, rule, 0) < 0:
                number = ctypes.get_errno()
                raise OSError(number, f"landlock_add_rule: {os.strerror(number)}", path)
        os.close(opened)
    return created


def _open(path: str) -> int | None:
    """Return a descriptor of a path, None where it can't be reached: a rule less is a right less.

    A path that has become a link since the host resolved it is an OSError.
    """
    opened: int = _openat2(_OPENAT2, -100, path.encode("utf-8", "surrogateescape"), _OPEN_HOW, len(_OPEN_HOW))
    if opened < 0:
        number = ctypes.get_errno()
        if number in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            return None
        if number not in (errno.ENOSYS, errno.EPERM):
            raise OSError(number, os.strerror(number), path)
        opened = _open_and_compare(path)  # some containers filter openat2
    return opened


def _open_and_compare(path: str) -> int:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    if os.readlink(f"/proc/self/fd/{opened}") != path:
        os.close(opened)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return opened


def _drop_capabilities() -> None:
    _prctl(_PR_SET_KEEPCAPS, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # EINVAL before Linux 4.3
    number = 0
    # The bounding set can only be emptied with CAP_SETPCAP; without it there is nothing to gain from it,
    # since no_new_privs follows.
    while _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break
        number += 1
    _call(_CAPSET, _CAPABILITY_HEADER, _NO_CAPABILITIES)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _call(number: int | None, *arguments: Any) -> int:
    """Make one system call by number; OSError where it fails or this machine has no number for it."""
    if number is None:
        raise RuntimeError(f"no system call numbers for {_MACHINE}")
    result: int = _syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"system call {number}: {os.strerror(error)}")
    return result
