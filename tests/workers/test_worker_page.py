"""The memory that a host and a worker share ends with whoever refers to it last."""

import os

from devkit_core.protocol.memory import AREA
from devkit_core.workers.worker_page import WorkerPage


def test_it_is_closed_while_somebody_reads_from_it():
    page = WorkerPage()
    os.close(page.descriptor)
    reading = memoryview(page.memory)[:8]
    page.close()
    assert len(reading) == 8
    reading.release()
    page.close()
    assert page.memory.closed


def test_it_is_closed_at_once_where_nobody_does():
    page = WorkerPage()
    os.close(page.descriptor)
    assert len(page.memory) == AREA
    page.close()
    assert page.memory.closed
