"""Memory and CPU are the kernel's numbers of a process that runs."""

import os
import subprocess
import sys

from devkit_core.running.measurement import of_process


def test_this_process():
    memory, seconds = of_process(os.getpid())
    assert memory > 1 << 20
    assert seconds >= 0


def test_one_that_works_and_has_a_strange_name(tmp_path):
    program = tmp_path / ") R 1 (x"
    program.symlink_to(sys.executable)
    code = "x = bytearray(50 << 20)\nfor n in range(3_000_000): pass\nprint(flush=True); input()"
    with subprocess.Popen([program, "-c", code], stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        memory, seconds = of_process(process.pid)
        process.communicate(b"\n")
    assert memory > 50 << 20
    assert seconds > 0


def test_one_that_has_ended():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert of_process(process.pid) == (None, None)
