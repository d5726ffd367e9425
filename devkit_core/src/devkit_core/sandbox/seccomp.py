"""Builds the system call filter: an allow list as BPF."""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from devkit_core.sandbox.syscalls import AUDIT_ARCH, LAST_KNOWN, numbers

__all__ = ["Filter", "Needs", "assemble", "supported"]

# struct sock_filter: code, jump if true, jump if false, operand
_LOAD, _AND, _JA, _JEQ, _JGE, _JGT, _RET = 0x20, 0x54, 0x05, 0x15, 0x35, 0x25, 0x06
_NR, _ARCH = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_OWN_PID = -1  # an operand that the worker fills in, since the host can't know it

_Instruction = tuple[int, int, int, int]
_Code = list[_Instruction]

_EPERM = [(_RET, 0, 0, _ERRNO | errno.EPERM)]
_ENOSYS = [(_RET, 0, 0, _ERRNO | errno.ENOSYS)]
_NOT_SUPPORTED = [(_RET, 0, 0, _ERRNO | errno.EOPNOTSUPP)]
_YES = [(_RET, 0, 0, _ALLOW)]

# Calls that act on what the process already holds, on its own state, or by a path that Landlock judges.
_PLAIN = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2
dup3 pipe pipe2 flock fsync fdatasync ftruncate fallocate fadvise64 sendfile copy_file_range stat fstat
lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat getcwd chdir fchdir
getdents getdents64 creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink
symlinkat umask munmap mprotect mremap madvise msync brk membarrier exit exit_group wait4 waitid
set_tid_address set_robust_list rseq futex sched_yield sched_getaffinity sched_getparam
sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu getpriority getpid gettid getppid
getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp getsid capget getrlimit
getrusage times sysinfo uname getrandom restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn
rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause alarm nanosleep clock_nanosleep
clock_gettime clock_getres gettimeofday time getitimer setitimer timer_settime timer_gettime
timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime epoll_create epoll_create1
epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6 eventfd eventfd2 signalfd
signalfd4 recvfrom recvmsg shutdown getsockname getpeername getsockopt
"""

_TCGETS, _TCGETS2, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIOCLEX, _FIONCLEX = (
    0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5451, 0x5450,
)  # fmt: skip
_IOCTLS = (_TCGETS, _TCGETS2, _TIOCGWINSZ, _FIONREAD, _FIONBIO, _FIOCLEX, _FIONCLEX)
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, locks, OFD locks, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS.
# Not among them: F_SETOWN and F_SETSIG (signals to others), F_SETPIPE_SZ (kernel memory), F_SETLEASE.
_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)
# PR_GET_PDEATHSIG, _GET_DUMPABLE, _SET_NAME, _GET_NAME, _CAPBSET_READ, _GET_NO_NEW_PRIVS, _SET_VMA
_PRCTLS = (2, 3, 15, 16, 23, 39, 0x53564D41)

_O_ACCMODE_AND_TRUNC, _O_TRUNC = 0o1003, 0o1000
_MAP_SHARED_ANONYMOUS, _MAP_GROWSDOWN = 0x21, 0x100
_CLONE_THREAD = 0x00010000
# Every CLONE_NEW*, and CLONE_PTRACE, CLONE_PARENT, CLONE_UNTRACED
_CLONE_REFUSED = 0x7E020000 | 0x00000080 | 0x00002000 | 0x00008000 | 0x00800000
_MSG_FASTOPEN = 0x20000000
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE = 1, 5, 0xF
_IPPROTO_TCP = 6
# (level, option): SOL_SOCKET REUSEADDR SNDBUF RCVBUF KEEPALIVE LINGER REUSEPORT RCVTIMEO SNDTIMEO;
# IPPROTO_TCP NODELAY CORK KEEPIDLE KEEPINTVL KEEPCNT QUICKACK USER_TIMEOUT; IPPROTO_IPV6 V6ONLY.
# None attaches a program, changes a protocol or opens a connection.
_SOCKET_OPTIONS = ((1, (2, 7, 8, 9, 13, 15, 20, 21)), (6, (1, 3, 4, 5, 6, 12, 18)), (41, (26,)))


@dataclass(frozen=True, slots=True)
class Needs:
    """What a filter leaves open beyond the plain calls.

    `spawn`: start processes; `execute`: replace this one (the launcher's own last step, and what a
    dynamic linker needs); `network`: make TCP sockets, which only the broker can connect;
    `foreign_signals`: signals to other processes, where Landlock keeps them inside (ABI 6).
    """

    spawn: bool = False
    execute: bool = False
    network: bool = False
    foreign_signals: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A program as bytes of `struct sock_filter`; `own_pid` are the instructions whose operand is the pid."""

    program: bytes
    own_pid: tuple[int, ...]

    @property
    def instructions(self) -> int:
        """How many instructions the program has; the kernel takes at most 4096."""
        return len(self.program) // 8


def supported(machine: str) -> bool:
    """Say whether there is a table of system calls for this machine."""
    return machine in AUDIT_ARCH


@lru_cache(maxsize=16)
def assemble(needs: Needs, machine: str) -> Filter:
    """Return the filter for a machine; KeyError where there is no table for it.

    A foreign architecture and x32 end the process; a number above the table answers ENOSYS, any other
    call that isn't allowed EPERM.
    """
    table = numbers(machine)
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, AUDIT_ARCH[machine]),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":
        code += [(_JGE, 0, 1, _X32), (_RET, 0, 0, _KILL)]
    verdicts = {table[name]: verdict for name, verdict in _verdicts(needs).items() if name in table}
    code += _search(_segments(verdicts))
    own_pid = tuple(i for i, instruction in enumerate(code) if instruction[3] == _OWN_PID)
    packed = b"".join(struct.pack("=HBBI", *step[:3], step[3] & 0xFFFFFFFF) for step in code)
    return Filter(packed, own_pid)


def _verdicts(needs: Needs) -> Mapping[str, _Code]:
    found: dict[str, _Code] = dict.fromkeys(_PLAIN.split(), _YES)
    # Their arguments are behind a pointer that a filter can't follow; the C library falls back.
    found |= dict.fromkeys(("clone3", "openat2"), _ENOSYS)
    # Reading attributes by path would say more of any file than `stat` does; programs expect this answer.
    xattrs = ("getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr")
    found |= dict.fromkeys(xattrs, _NOT_SUPPORTED)
    # Below ABI 3 Landlock lets a file opened for reading be emptied.
    found["open"] = _masked(1, _O_ACCMODE_AND_TRUNC, _O_TRUNC, _EPERM, _YES)
    found["openat"] = _masked(2, _O_ACCMODE_AND_TRUNC, _O_TRUNC, _EPERM, _YES)
    found["fcntl"] = _one_of(1, _FCNTLS)
    found["ioctl"] = _one_of(1, _IOCTLS)
    found["prctl"] = _one_of(0, _PRCTLS)
    found["prlimit64"] = _equal(0, 0, _null(2, _YES))
    # Shared anonymous memory and memory that grows downwards are not counted by RLIMIT_DATA.
    found["mmap"] = _masked(
        3,
        _MAP_SHARED_ANONYMOUS,
        _MAP_SHARED_ANONYMOUS,
        _EPERM,
        _masked(3, _MAP_GROWSDOWN, _MAP_GROWSDOWN, _EPERM, _YES),
    )
    # A timer may signal a thread: only this process's own (SIGEV_THREAD_ID is checked by the kernel).
    found["timer_create"] = _YES
    found["tgkill"] = _YES if needs.foreign_signals else _equal(0, _OWN_PID, _YES)
    found["kill"] = _YES if needs.foreign_signals else _equal(0, _OWN_PID, _YES)
    thread = _CLONE_THREAD | _CLONE_REFUSED
    found["clone"] = (
        _masked(0, _CLONE_REFUSED, 0, _YES, _EPERM)
        if needs.spawn
        else _masked(0, thread, _CLONE_THREAD, _YES, _EPERM)
    )
    if needs.spawn:
        found |= dict.fromkeys(("fork", "vfork", "setpgid", "setsid", "pidfd_open"), _YES)
    if needs.spawn or needs.execute:
        found |= dict.fromkeys(("execve", "arch_prctl"), _YES)
    found |= _socket_verdicts(needs)
    return found


def _socket_verdicts(needs: Needs) -> dict[str, _Code]:
    # A datagram pair could be sent to any unix socket by address, which sendmsg hides behind a pointer.
    pair = _masked(1, _SOCK_TYPE, _SOCK_STREAM, _YES, _masked(1, _SOCK_TYPE, _SOCK_SEQPACKET, _YES, _EPERM))
    found = {
        "socketpair": _equal(0, _AF_UNIX, pair),
        "sendto": _masked(3, _MSG_FASTOPEN, 0, _null(4, _YES), _EPERM),
        "sendmsg": _masked(2, _MSG_FASTOPEN, 0, _YES, _EPERM),
    }
    if not needs.network:
        return found
    protocol = _equal(2, 0, _YES, _equal(2, _IPPROTO_TCP, _YES))
    stream = _masked(1, _SOCK_TYPE, _SOCK_STREAM, protocol, _EPERM)
    found["socket"] = _equal(0, _AF_INET, stream, _equal(0, _AF_INET6, stream))
    options = _EPERM
    for level, names in _SOCKET_OPTIONS:
        options = _equal(1, level, _one_of(2, names), options)
    found["setsockopt"] = options
    return found


# Each of these returns code that ends in a verdict on every path; jumps only go forward, over less than 256.


def _low(argument: int) -> int:
    return 16 + 8 * argument  # both architectures are little-endian


def _masked(argument: int, mask: int, value: int, then: _Code, otherwise: _Code) -> _Code:
    return [
        (_LOAD, 0, 0, _low(argument)),
        (_AND, 0, 0, mask),
        (_JEQ, 0, len(then), value),
        *then,
        *otherwise,
    ]


def _equal(argument: int, value: int, then: _Code, otherwise: _Code | None = None) -> _Code:
    rest = _EPERM if otherwise is None else otherwise
    return [(_LOAD, 0, 0, _low(argument)), (_JEQ, 0, len(then), value), *then, *rest]


def _one_of(argument: int, values: tuple[int, ...]) -> _Code:
    tests = [(_JEQ, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [(_LOAD, 0, 0, _low(argument)), *tests, *_EPERM, *_YES]


def _null(argument: int, then: _Code) -> _Code:
    low, high = _low(argument), _low(argument) + 4
    return [
        (_LOAD, 0, 0, low),
        (_JEQ, 0, 2 + len(then), 0),
        (_LOAD, 0, 0, high),
        (_JEQ, 0, len(then), 0),
        *then,
        *_EPERM,
    ]


def _segments(verdicts: Mapping[int, _Code]) -> list[tuple[int, _Code]]:
    """Return where each run of numbers with one verdict begins, from 0 to past the table."""
    found: list[tuple[int, _Code]] = []
    for number in range(LAST_KNOWN + 1):
        verdict = verdicts.get(number, _EPERM)
        if not found or found[-1][1] != verdict:
            found.append((number, verdict))
    return [*found, (LAST_KNOWN + 1, _ENOSYS)]


def _search(segments: list[tuple[int, _Code]]) -> _Code:
    """Return a binary search over the segments, so that a call costs about eight comparisons."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    below, above = _search(segments[:middle]), _search(segments[middle:])
    start = segments[middle][0]
    if len(below) < 256:
        return [(_JGE, len(below), 0, start), *below, *above]
    # A conditional jump reaches 255 instructions; an unconditional one any distance.
    return [(_JGE, 0, 1, start), (_JA, 0, 0, len(below)), *below, *above]
