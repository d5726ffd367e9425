"""Which limits hold for a plugin."""

from devkit_core.config.schema import PluginSystemConfig
from devkit_core.model.manifest import parse
from devkit_core.running.limits import limits_of
from devkit_core.sandbox.plan import Limits

BASE = """
[metadata]
id = "one"
name = "One"
version = "1.0.0"
description = "d"
author = "a"
entry_point = "p.py"
"""


def limits(more: str = "", **config) -> Limits:
    return Limits.of(limits_of(parse((BASE + more).encode()).manifest, PluginSystemConfig(**config)))


def test_a_manifest_may_lower_limits() -> None:
    found = limits(
        "[runtime.limits]\nmax_memory_mb = 64\nmax_disk_usage_mb = 5\nmax_cpu_seconds = 7\n"
        "max_scratch_files = 9\nmax_output_kb = 8\nmax_log_lines = 6\nmax_payload_mb = 3\n"
        "[runtime.timeouts]\nexecution_timeout_seconds = 2.5\n"
    )
    assert (found.memory_mb, found.scratch_mb, found.cpu_seconds) == (64, 5, 7)
    assert (found.scratch_files, found.output_kb, found.log_lines, found.payload_mb) == (9, 8, 6, 3)
    assert found.call_seconds == 2.5


def test_a_manifest_may_not_raise_limits() -> None:
    more = "[runtime.limits]\nmax_memory_mb = 4096\nmax_disk_usage_mb = 4096\n"
    more += "max_threads = 500\nmax_open_files = 900\nmax_payload_mb = 1000\nmax_output_kb = 99999\n"
    assert limits(more) == limits() == Limits()


def test_the_user_may() -> None:
    more = "[runtime.limits]\nmax_memory_mb = 64\n"
    found = limits(more, limits=("one:memory_mb=1024", "one:threads=200", "*:open_files=99"))
    assert (found.memory_mb, found.threads, found.open_files) == (1024, 200, 99)
