"""What the host finds out of a worker that no kernel limit tells."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devkit_core.sandbox.plan import Limits
from devkit_core.workers.usage import Usage, spent_by

HUNGRY = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]])"
CHILD = "held = bytearray(b'x' * (60 << 20)); print('has', flush=True); input()"


@pytest.fixture
def hungry():
    """A process whose child holds 60 MiB."""
    with subprocess.Popen(
        [sys.executable, "-c", HUNGRY, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"has\n"
        yield process
        process.stdin.close()


def test_memory_of_what_a_worker_started_counts(hungry, tmp_path: Path):
    usage = Usage("one", tmp_path, Limits(memory_mb=40), tree=True, base_mb=10)
    found = usage.exceeded(1.0, hungry.pid)
    assert found.code == "memory-limit"
    assert "and what it started use" in found.message
    assert "--limit memory_mb=N" in found.hint
    assert Usage("one", tmp_path, Limits(), tree=True).exceeded(1.0, hungry.pid) is None


def test_one_that_did_nothing_is_not_looked_at(hungry, tmp_path: Path):
    usage = Usage("one", tmp_path, Limits(scratch_files=1))
    assert usage.exceeded(1.0, hungry.pid) is None
    for name in "abc":
        (tmp_path / name).touch()
    assert usage.exceeded(2.5, hungry.pid) is None  # it waits, and so can't have made them
    busy = Usage("one", tmp_path, Limits(scratch_files=1))
    assert busy.exceeded(1.0, os.getpid()).code == "scratch-limit"


def test_processor_time_is_read_of_any_process(hungry):
    assert spent_by(os.getpid()) > 0
    assert spent_by(2**22 - 1) == 0


def test_growth_counts_from_what_it_had_idle(hungry, tmp_path: Path):
    usage = Usage("one", tmp_path, Limits())
    usage.begin(hungry.pid)
    assert usage.grown(0) == 0
    assert 900 < usage.grown(1000) < 1000
