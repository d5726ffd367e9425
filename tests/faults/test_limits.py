"""What a plugin may use: each limit, reached by a real worker, and what the caller learns."""

import asyncio

import pytest

from devkit_core.errors import PayloadTooLarge, ResourceExhausted
from devkit_core.events.bus import EventKind

PLUGIN = """
    import os, signal, threading, time

    def execute(text: str) -> str:
        what, _, much = text.partition(" ")
        globals()[what](int(much or 0))
        return "did"

    def nothing(_): pass
    def memory(mib): bytearray(mib << 20)
    def burn(_):
        while True: pass
    def stubborn(_):
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        burn(0)
    def opened(count):
        files = [open("/dev/null") for _ in range(count)]
    def started(count):
        event = threading.Event()
        threading.stack_size(1 << 16)
        for _ in range(count):
            threading.Thread(target=event.wait, daemon=True).start()
    def threads(count):
        started(count)
        time.sleep(60)
    def large(mib):
        with open(os.environ["TMPDIR"] + "/large", "wb") as file:
            file.write(b"x" * (mib << 20))
    def many(count):
        for number in range(count):
            open(f"{os.environ['TMPDIR']}/{number}", "w").close()
        time.sleep(60)
    def later(count):
        def work():
            many(count)
        threading.Thread(target=work, daemon=True).start()
    def answer(mib): raise Answer("x" * (mib << 20))
    def printed(lines):
        for number in range(lines): print("line", number, flush=True)
    def flood(mib):
        for _ in range(mib * 16): print("x" * 65535, flush=True)

    class Answer(Exception): pass
"""
LIMITS = """
    [runtime.limits]
    max_memory_mb = 32
    max_cpu_seconds = 1
    max_open_files = 20
    max_threads = 6
    max_disk_usage_mb = 2
    max_scratch_files = 50
    max_output_kb = 16
    max_log_lines = 10
    max_payload_mb = 1
"""


@pytest.mark.parametrize(
    ("call", "code", "says", "name"),
    [
        ("memory 64", "memory-limit", "MiB in use at most", "memory_mb"),
        ("burn", "cpu-limit", "the limit is 1 s", "cpu_seconds"),
        ("stubborn", "cpu-limit", "of processor time; the limit is 1 s", "cpu_seconds"),
        ("opened 30", "open-files-limit", "Too many open files", "open_files"),
        ("threads 12", "thread-limit", "13 threads; the limit is 6", "threads"),
        ("large 3", "scratch-limit", "File too large", "scratch_mb"),
        ("many 80", "scratch-limit", "over 50 files and folders", "scratch_files"),
    ],
)
async def test_what_is_reached_says_which_and_how_to_raise_it(project, call, code, says, name):
    handle = await project.load(PLUGIN, more=LIMITS)
    with pytest.raises(ResourceExhausted) as caught:
        await handle.execute(call, timeout=50)
    assert caught.value.code == code
    assert says in caught.value.message
    assert f"--limit {name}=N" in caught.value.hint
    assert "`devkit plugin info subject`" in caught.value.hint
    assert await handle.execute("nothing", timeout=50) == "did"


async def test_what_the_plugin_ran_into_keeps_its_traceback(project):
    handle = await project.load(PLUGIN, more=LIMITS)
    with pytest.raises(ResourceExhausted) as caught:
        await handle.execute("opened 30", timeout=50)
    assert 'files = [open("/dev/null")' in caught.value.traceback


async def test_what_grows_while_no_call_runs_is_noticed(project):
    handle = await project.load(PLUGIN, more=LIMITS)
    with project.manager.subscribe(kinds=[EventKind.PLUGIN_ERROR]) as events:
        assert await handle.execute("later 80", timeout=50) == "did"
        event = await asyncio.wait_for(anext(events), 50)
    assert event.data["code"] == "scratch-limit"
    assert await handle.execute("nothing", timeout=50) == "did"


@pytest.mark.parametrize(
    ("call", "limit", "unit"), [("printed 500", "log_lines", "lines"), ("flood 1", "output_kb", "bytes")]
)
async def test_a_flood_is_dropped_and_told(project, call, limit, unit):
    handle = await project.load(PLUGIN, more=LIMITS)
    with project.manager.subscribe(kinds=[EventKind.OUTPUT_DROPPED]) as events:
        assert await handle.execute(call, timeout=50) == "did"
        event = await asyncio.wait_for(anext(events), 50)
    assert event.plugin == "subject"
    assert event.data["limit"] == limit
    assert event.data["dropped"] > 100
    told = [line.text for line in project.manager.logs.lines("subject")]
    assert any(f"{unit} of output dropped" in text and f"--limit {limit}=N" in text for text in told)
    assert await handle.execute("nothing", timeout=50) == "did"


async def test_payloads_are_the_plugins_own_limit(project):
    handle = await project.load("def execute(text: str) -> str:\n    return text * 3\n", more=LIMITS)
    with pytest.raises(PayloadTooLarge) as caught:
        await handle.execute("x" * ((1 << 20) + 1))
    assert "the limit is 1,048,576" in caught.value.message
    assert "--limit payload_mb=N" in caught.value.hint
    with pytest.raises(PayloadTooLarge) as caught:
        await handle.execute("x" * 500_000)
    assert "--limit payload_mb=N" in caught.value.hint
    assert await handle.execute("abc") == "abc" * 3


async def test_a_reload_takes_new_limits(project):
    handle = await project.load("def execute(text: str) -> str:\n    return str(len(text))\n", more=LIMITS)
    project.write("def execute(text: str) -> str:\n    return str(len(text))\n")
    await project.manager.reload("subject")
    assert await handle.execute("x" * (2 << 20)) == str(2 << 20)
