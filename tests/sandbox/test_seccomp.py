"""The filter, run by an interpreter of BPF for both architectures, and its numbers against the kernel's."""

from __future__ import annotations

import re
import struct
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.sandbox.seccomp import Filter, Needs, assemble, supported
from devkit_core.sandbox.syscalls import AUDIT_ARCH, LAST_KNOWN, numbers

ALLOW, EPERM, ENOSYS, ENOTSUP, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x5005F, 0x80000000
MACHINES = tuple(AUDIT_ARCH)
ALL = [Needs(*flags) for flags in product((False, True), repeat=4)]
PID = 4242


def run(filter_: Filter, number: int, *arguments: int, arch: int) -> int:
    """Interpret a filter as the kernel does; fails on anything that the kernel's checker would refuse."""
    code = [struct.unpack_from("=HBBI", filter_.program, i) for i in range(0, len(filter_.program), 8)]
    for index in filter_.own_pid:
        code[index] = (*code[index][:3], PID)
    padded = [a & 0xFFFFFFFFFFFFFFFF for a in (*arguments, *[0] * 6)][:6]
    data = struct.pack("<IIQ6Q", number, arch, 0, *padded)
    at, a = 0, 0
    for _ in range(200):
        op, yes, no, k = code[at]
        at += 1
        match op:
            case 0x20:
                assert k in range(0, 64, 4)
                (a,) = struct.unpack_from("<I", data, k)
            case 0x54:
                a &= k
            case 0x05:
                at += k
            case 0x15:
                at += yes if a == k else no
            case 0x35:
                at += yes if a >= k else no
            case 0x06:
                return k
            case _:
                raise AssertionError(f"unknown instruction {op:#x}")
    raise AssertionError("the program doesn't end")


def ask(machine: str, needs: Needs, name: str, *arguments: int) -> int:
    return run(assemble(needs, machine), numbers(machine)[name], *arguments, arch=AUDIT_ARCH[machine])


@pytest.mark.parametrize(("machine", "header"), [
    ("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    ("aarch64", "/usr/include/asm-generic/unistd.h"),
])  # fmt: skip
def test_numbers_are_the_kernels(machine: str, header: str) -> None:
    """Where the headers are installed; the attacks prove the numbers of the machine they run on."""
    if Path(header).exists():
        text = Path(header).read_text()
        found = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
        found |= {"newfstatat": found.get("newfstatat", found.get("fstatat", -1))}
        assert {n: found[n] for n in numbers(machine)} == numbers(machine)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("needs", ALL, ids=str)
def test_every_program_is_one_that_the_kernel_takes(machine: str, needs: Needs) -> None:
    filter_ = assemble(needs, machine)
    assert 100 < filter_.instructions < 600
    code = [struct.unpack_from("=HBBI", filter_.program, i) for i in range(0, len(filter_.program), 8)]
    for at, (op, yes, no, k) in enumerate(code):
        ends = {at + 1 + k} if op == 0x05 else {at + 1 + yes, at + 1 + no} if op in (0x15, 0x35) else set()
        assert all(end < len(code) for end in ends)
    assert code[-1][0] == 0x06


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("needs", ALL, ids=str)
def test_nothing_but_what_is_listed_is_allowed(machine: str, needs: Needs) -> None:
    known = set(numbers(machine).values())
    filter_ = assemble(needs, machine)
    for number in range(LAST_KNOWN + 1):
        if number not in known:
            assert run(filter_, number, arch=AUDIT_ARCH[machine]) == EPERM
    for number in (LAST_KNOWN + 1, 600, 1000):
        assert run(filter_, number, arch=AUDIT_ARCH[machine]) == ENOSYS


@given(st.sampled_from(MACHINES), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_another_architecture_ends_the_process(machine: str, number: int, arch: int) -> None:
    if arch != AUDIT_ARCH[machine]:
        assert run(assemble(Needs(), machine), number, arch=arch) == KILL


@given(st.integers(0x40000000, 0xFFFFFFFF))
def test_x32_ends_the_process(number: int) -> None:
    assert run(assemble(Needs(), "x86_64"), number, arch=AUDIT_ARCH["x86_64"]) == KILL
    assert run(assemble(Needs(), "aarch64"), number, arch=AUDIT_ARCH["aarch64"]) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_rules_on_arguments(machine: str) -> None:
    none, web, spawn = Needs(), Needs(network=True), Needs(spawn=True)
    at_fdcwd = 0xFFFFFF9C
    table = [
        (none, "mmap", (0, 4096, 3, 0x22), ALLOW),
        (none, "mmap", (0, 4096, 3, 0x21), EPERM),
        (none, "mmap", (0, 4096, 3, 0x23), EPERM),
        (none, "mmap", (0, 4096, 3, 0x01), ALLOW),
        (none, "mmap", (0, 4096, 3, 0x122), EPERM),
        (none, "openat", (at_fdcwd, 1, 0o1000), EPERM),
        (none, "openat", (at_fdcwd, 1, 0o1001), ALLOW),
        (none, "openat", (at_fdcwd, 1, 0), ALLOW),
        (none, "prlimit64", (0, 2, 0, 99), ALLOW),
        (none, "prlimit64", (0, 2, 1 << 32, 0), EPERM),
        (none, "prlimit64", (0, 2, 1, 0), EPERM),
        (none, "prlimit64", (1, 2, 0, 0), EPERM),
        (none, "kill", (PID, 9), ALLOW),
        (none, "kill", (PID + 1, 9), EPERM),
        (none, "kill", (0, 9), EPERM),
        (none, "kill", (-1, 9), EPERM),
        (none, "tgkill", (PID, 77, 9), ALLOW),
        (none, "tgkill", (1, 1, 9), EPERM),
        (Needs(foreign_signals=True), "kill", (77, 9), ALLOW),
        (none, "clone", (0x3D0F00,), ALLOW),
        (none, "clone", (17,), EPERM),
        (none, "clone", (0x3D0F00 | 0x10000000,), EPERM),
        (none, "clone3", (1, 88), ENOSYS),
        (spawn, "clone", (17,), ALLOW),
        (spawn, "clone", (17 | 0x8000,), EPERM),
        (spawn, "clone", (17 | 0x20000,), EPERM),
        (spawn, "clone3", (1, 88), ENOSYS),
        (none, "execve", (), EPERM),
        (spawn, "execve", (), ALLOW),
        (Needs(execute=True), "execve", (), ALLOW),
        (Needs(execute=True), "clone", (17,), EPERM),
        (none, "execveat", (), EPERM),
        (none, "socket", (2, 1, 0), EPERM),
        (none, "socketpair", (1, 1, 0), ALLOW),
        (none, "socketpair", (1, 5 | 0o2004000, 0), ALLOW),
        (none, "socketpair", (1, 2, 0), EPERM),
        (none, "socketpair", (2, 1, 0), EPERM),
        (web, "socket", (2, 1, 0), ALLOW),
        (web, "socket", (10, 1 | 0o2004000, 6), ALLOW),
        (web, "socket", (2, 1, 262), EPERM),
        (web, "socket", (2, 2, 0), EPERM),
        (web, "socket", (1, 1, 0), EPERM),
        (none, "sendto", (3, 1, 1, 0, 0, 0), ALLOW),
        (none, "sendto", (3, 1, 1, 0x4000, 0, 0), ALLOW),
        (none, "sendto", (3, 1, 1, 0x20000000, 0, 0), EPERM),
        (none, "sendto", (3, 1, 1, 0, 1 << 40, 16), EPERM),
        (web, "sendmsg", (3, 1, 0x20000000), EPERM),
        (web, "sendmsg", (3, 1, 0), ALLOW),
        (none, "setsockopt", (3, 6, 1), EPERM),
        (web, "setsockopt", (3, 6, 1), ALLOW),
        (web, "setsockopt", (3, 6, 30), EPERM),
        (web, "setsockopt", (3, 1, 50), EPERM),
        (none, "fcntl", (3, 8, 1), EPERM),
        (none, "fcntl", (3, 1030, 0), ALLOW),
        (none, "ioctl", (3, 0x5401), ALLOW),
        (none, "ioctl", (3, 0x5412), EPERM),
        (none, "prctl", (15,), ALLOW),
        (none, "prctl", (1, 0), EPERM),
        (none, "getxattr", (), ENOTSUP),
        (none, "openat2", (), ENOSYS),
    ]  # fmt: skip
    wrong = [row for row in table if ask(machine, row[0], row[1], *row[2]) != row[3]]
    assert wrong == []
    for name in ("connect", "bind", "listen", "accept", "sendmmsg", "chmod", "mount", "io_uring_setup"):
        assert name not in numbers(machine)


@given(
    st.sampled_from(MACHINES),
    st.sampled_from(ALL),
    st.integers(0, 500),
    st.lists(st.integers(0, 2**64 - 1), max_size=6),
)
def test_every_call_ends_in_a_verdict(machine: str, needs: Needs, number: int, arguments: list[int]) -> None:
    verdict = run(assemble(needs, machine), number, *arguments, arch=AUDIT_ARCH[machine])
    assert verdict in (ALLOW, EPERM, ENOSYS, ENOTSUP)


def test_other_machines_are_not_supported() -> None:
    assert supported("x86_64")
    assert not supported("riscv64")
    with pytest.raises(KeyError):
        assemble(Needs(), "riscv64")
