"""What each ABI of Landlock handles."""

from __future__ import annotations

import pytest

from devkit_core.sandbox.landlock import LATEST, READ_WRITE, WRITE, Files, ruleset


def test_the_ladder() -> None:
    shown = [(r.abi, r.files.bit_count(), r.net, r.scoped, r.struct_size) for r in map(ruleset, range(1, 8))]
    assert shown == [
        (1, 13, 0, 0, 8),
        (2, 14, 0, 0, 8),
        (3, 15, 0, 0, 8),
        (4, 15, 3, 0, 16),
        (5, 16, 3, 0, 16),
        (6, 16, 3, 3, 24),
        (7, 16, 3, 3, 24),
    ]


def test_a_newer_kernel_is_used_as_the_newest_known() -> None:
    assert ruleset(99) == ruleset(LATEST)


@pytest.mark.parametrize("abi", [0, -1])
def test_below_the_first_there_is_nothing(abi: int) -> None:
    with pytest.raises(ValueError, match="no Landlock"):
        ruleset(abi)


def test_writing_makes_no_devices_sockets_or_pipes() -> None:
    special = Files.MAKE_CHAR | Files.MAKE_BLOCK | Files.MAKE_SOCK | Files.MAKE_FIFO | Files.IOCTL_DEV
    assert not (WRITE | READ_WRITE) & (special | Files.EXECUTE)
