"""What is enforced at each level of the kernel, and what is missing."""

from __future__ import annotations

import os

import pytest

from devkit_core.sandbox.probe import RIGHTS, enforcement, probe

FILTERED = {"files-metadata", "network", "spawn", "memory"}


@pytest.mark.parametrize("abi", range(8))
def test_each_level_with_seccomp(abi: int) -> None:
    found = enforcement(abi, True, "x86_64")
    assert set(found.missing()) == ({"files-read", "files-write"} if abi == 0 else set())
    assert ("Landlock" in (found.by["signals"] or "")) == (abi >= 6)
    assert ("seccomp" in (found.by["files-write"] or "")) == (abi in (1, 2))


@pytest.mark.parametrize("abi", range(8))
def test_each_level_without_seccomp(abi: int) -> None:
    missing = set(enforcement(abi, False, "x86_64").missing())
    expected = set(FILTERED)
    expected |= {"files-read", "ptrace"} if abi < 1 else set()
    expected |= {"files-write"} if abi < 3 else set()
    expected |= {"signals"} if abi < 6 else set()
    assert missing == expected


def test_a_machine_without_a_table_has_no_filter() -> None:
    assert set(enforcement(7, True, "riscv64").missing()) >= FILTERED


def test_another_system_enforces_nothing() -> None:
    assert set(enforcement(7, True, "x86_64", linux=False).missing()) == set(RIGHTS)


def test_rows_show_every_right() -> None:
    rows = enforcement(3, False, "x86_64").as_rows()
    assert [row[0] for row in rows] == list(RIGHTS)
    assert ("network", "nothing", RIGHTS["network"]) in rows


def test_this_kernel_is_asked() -> None:
    found = probe()
    assert found.machine == os.uname().machine
    assert found == probe()
    assert (found.reason is None) == (found.landlock_abi > 0 and found.seccomp)
