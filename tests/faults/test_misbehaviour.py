"""A plugin that misbehaves costs its own calls a typed error, and nothing else."""

import asyncio
import os
import signal
import struct

import pytest

from devkit_core.errors import (
    CallTimeout,
    DevKitError,
    ExecutionError,
    InitializeFailed,
    LoadError,
    PayloadTooLarge,
    PluginRaised,
    ProtocolViolation,
    ResourceExhausted,
    WorkerCrashed,
)


def frame(kind: int, flags: int, call: int, payload: bytes, length: int | None = None) -> bytes:
    size = 8 + len(payload) if length is None else length
    return struct.pack(">IBBHI", size, kind, flags, 0, call) + payload


GARBAGE = {
    "noise": b"\xff" * 4096,
    "4 GiB prefix": struct.pack(">IBBHI", 0xFFFFFFFF, 5, 3, 0, 1),
    "short length": struct.pack(">IBBHI", 3, 5, 3, 0, 1),
    "result of nobody": frame(5, 3, 4_000_000, b"x"),
    "chunk of nobody": frame(11, 3, 4_000_000, b"x"),
    "error of nobody": frame(6, 0, 4_000_000, b"{}"),
    "unknown kind": frame(77, 0, 0, b""),
    "call 0 unasked": frame(5, 3, 0, b""),
    "hello again": frame(1, 0, 0, b'{"protocol":1,"functions":{"execute":0}}'),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_on_the_channel(project, name):
    handle = await project.load(f"""
        import os
        def execute(text: str) -> str:
            if text == "attack":
                os.write(3, {GARBAGE[name]!r})
                import time; time.sleep(30)
            return text
    """)
    with pytest.raises(ProtocolViolation) as caught:
        await handle.execute("attack", timeout=20)
    assert caught.value.code == "protocol-violation"
    assert await handle.execute("fine", timeout=20) == "fine"


@pytest.mark.parametrize("payload", [b"[" * 200_000, b'{"code":' + b"9" * 10_000 + b"}", b"\xff"])
async def test_an_error_that_cannot_be_read_ends_its_own_call(project, payload):
    handle = await project.load(f"""
        import os, struct, time
        def execute(text: str) -> str:
            if text == "attack":
                os.write(3, {frame(6, 0, 1, payload)!r})
                time.sleep(30)
            return text
    """)
    with pytest.raises(ProtocolViolation):
        await asyncio.wait_for(handle.execute("attack", timeout=20), 25)
    assert await handle.execute("fine", timeout=20) == "fine"


async def test_a_stream_that_nobody_reads_is_bounded(project):
    handle = await project.load("""
        import os, struct
        def execute(text: str) -> str:
            if text == "attack":
                body = b"x" * 65536
                os.write(3, struct.pack(">IBBHI", 8 + len(body), 5, 16 | 8, 0, 1) + body)
                while True:
                    os.write(3, struct.pack(">IBBHI", 8 + len(body), 11, 8, 0, 1) + body)
            return text
    """)
    taken = []

    async def read_slowly() -> None:
        async for item in handle.stream("attack", timeout=30):
            taken.append(len(item))
            await asyncio.sleep(0.2)

    with pytest.raises(ProtocolViolation):
        await read_slowly()
    assert sum(taken) <= 8 << 20
    assert await handle.execute("fine", timeout=20) == "fine"


async def test_a_load_that_is_cancelled_leaves_no_worker(project):
    await project.load("def execute(t): return t\n", "other")
    project.write("import time\ntime.sleep(30)\ndef execute(t): return t\n")
    project.manager.discover()
    before = len(os.listdir("/proc/self/fd"))
    for seconds in (0.0, 0.01, 0.2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(project.manager.load("subject"), seconds)
    await asyncio.sleep(0.1)
    assert len(os.listdir("/proc/self/fd")) == before  # a worker alive is held by its pidfd and channel


async def test_endless_result_is_cut_off(project):
    handle = await project.load("""
        import os, struct
        def execute(text: str) -> str:
            if text == "attack":
                body = b"x" * 65536
                os.write(3, struct.pack(">IBBHI", 8 + len(body), 5, 0, 0, 1) + body)
                while True:
                    os.write(3, struct.pack(">IBBHI", 8 + len(body), 11, 0, 0, 1) + body)
            return text
    """)
    with pytest.raises(PayloadTooLarge):
        await handle.execute("attack", timeout=30)
    assert await handle.execute("fine", timeout=20) == "fine"


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
async def test_signals_from_outside(project, how):
    handle = await project.load("def execute(text: str) -> str:\n    return text\n")
    assert await handle.execute("one") == "one"
    os.kill(handle.pid, getattr(signal, how))
    if how == "SIGSTOP":
        with pytest.raises(CallTimeout):
            await handle.execute("two", timeout=0.3)
    for _ in range(3):
        assert await handle.execute("three", timeout=20) == "three"


async def test_a_hundred_kills_lose_no_call_that_was_not_begun(project):
    handle = await project.load("def execute(text: str) -> str:\n    return text\n")
    lost = 0
    for turn in range(100):
        calls = [asyncio.ensure_future(handle.execute(f"{turn}-{n}", timeout=30)) for n in range(8)]
        await asyncio.sleep(0)
        if handle.pid is not None:
            os.kill(handle.pid, signal.SIGKILL)
        for number, answer in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
            if isinstance(answer, WorkerCrashed):
                lost += 1
            else:
                assert answer == f"{turn}-{number}"
    assert lost <= 100  # at most the one that was running
    assert len(os.listdir("/proc/self/fd")) < 60


async def test_system_exit_ends_the_call_not_the_worker(project):
    handle = await project.load("""
        import os, sys
        def execute(text: str) -> str:
            if text == "exit":
                sys.exit("no more")
            return str(os.getpid())
    """)
    before = await handle.execute("pid")
    with pytest.raises(PluginRaised, match="no more"):
        await handle.execute("exit")
    assert await handle.execute("pid") == before


@pytest.mark.parametrize("kind", ["EOFError", "BrokenPipeError", "ConnectionResetError"])
async def test_an_exception_like_that_of_a_lost_channel_is_the_plugins_own(project, kind):
    handle = await project.load(f"""
        import os
        def execute(text: str) -> str:
            if text == "raise":
                raise {kind}("a peer of the plugin")
            return str(os.getpid())
    """)
    before = await handle.execute("pid")
    with pytest.raises(PluginRaised, match="a peer of the plugin") as caught:
        await handle.execute("raise")
    assert caught.value.kind == kind
    assert await handle.execute("pid") == before


@pytest.mark.parametrize(
    ("source", "error", "code"),
    [
        ("x = (\n", LoadError, "load-failed"),
        ("raise RuntimeError('at import')\ndef execute(t): return t\n", LoadError, "load-failed"),
        ("import no_such_module\ndef execute(t): return t\n", LoadError, "load-failed"),
        ("def other(): pass\n", LoadError, "entry-function-missing"),
        ("import os; os._exit(5)\ndef execute(t): return t\n", LoadError, "load-failed"),
        (
            "def initialize():\n    raise KeyError('k')\ndef execute(t): return t\n",
            InitializeFailed,
            "initialize-failed",
        ),
        (
            "import os\ndef initialize():\n    os._exit(4)\ndef execute(t): return t\n",
            InitializeFailed,
            "initialize-failed",
        ),
    ],
)
async def test_what_does_not_load(project, source, error, code):
    with pytest.raises(error) as caught:
        await project.load(source)
    assert caught.value.code == code
    assert caught.value.plugin == "subject"
    assert caught.value.place.path == str(project.root / "plugins" / "subject" / "plugin.py")
    assert "ast.py" not in (caught.value.traceback or "")


async def test_a_load_error_shows_the_plugins_own_lines(project):
    with pytest.raises(LoadError) as caught:
        await project.load(
            "def helper():\n    raise RuntimeError('deep')\nhelper()\ndef execute(t): return t\n"
        )
    assert "raise RuntimeError('deep')" in caught.value.traceback
    assert "program.py" not in caught.value.traceback


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("None", "result-type"),
        ("{'a': 1}", "result-type"),
        ("42", "result-type"),
        ("'\\udc80'", "result-not-text"),
        ("'x' * (9 << 20)", "payload-too-large"),
    ],
)
async def test_answers_that_are_none(project, value, code):
    handle = await project.load(f"def execute(text: str) -> str:\n    return {value}\n")
    with pytest.raises(ExecutionError) as caught:
        await handle.execute("x")
    assert caught.value.code == code


async def test_an_exception_whose_text_raises(project):
    handle = await project.load("""
        class Nasty(Exception):
            def __str__(self): raise ValueError("no")
            __repr__ = __str__
        def execute(text: str) -> str:
            raise Nasty()
    """)
    with pytest.raises(PluginRaised) as caught:
        await handle.execute("x")
    assert caught.value.kind == "Nasty"


async def test_recursion_and_memory(project):
    handle = await project.load("""
        def execute(text: str) -> str:
            if text == "deep":
                return execute(text)
            return str(len(bytearray(int(text) << 20)))
    """)
    with pytest.raises(PluginRaised, match="recursion"):
        await handle.execute("deep")
    with pytest.raises(ResourceExhausted) as caught:
        await handle.execute("400")
    assert caught.value.code == "memory-limit"
    assert await handle.execute("1") == str(1 << 20)


async def test_fork_is_refused(project):
    handle = await project.load("""
        import os
        def execute(text: str) -> str:
            return str(os.fork())
    """)
    with pytest.raises(PluginRaised) as caught:
        await handle.execute("x")
    assert caught.value.kind == "PermissionError"


async def test_shutdown_that_hangs_or_raises(project):
    await project.load("def execute(t): return t\ndef shutdown():\n    while True: pass\n", "hanging")
    await project.load("def execute(t): return t\ndef shutdown():\n    raise ValueError('late')\n", "raising")
    await project.manager.unload("raising")
    await project.manager.unload("hanging")
    assert project.manager.list_plugins() == []
    assert any("late" in line.text for line in project.manager.logs.lines("raising"))


async def test_a_flood_of_output_with_calls_in_flight(project):
    handle = await project.load("""
        import os
        def execute(text: str) -> str:
            if text == "flood":
                for _ in range(400):
                    os.write(1, b"spam " * 13107)
            return text
    """)
    other = await project.load("def execute(text: str) -> str:\n    return text\n", "other")
    flood = asyncio.ensure_future(handle.execute("flood", timeout=60))
    for n in range(50):
        assert await other.execute(str(n), timeout=10) == str(n)
    assert await flood == "flood"
    assert sum(len(line.text) for line in project.manager.logs.lines("subject")) < 8 << 20


async def test_the_folder_is_deleted_while_running(project):
    import shutil

    handle = await project.load("""
        import os
        def execute(text: str) -> str:
            if text == "exit":
                os._exit(1)
            return text
    """)
    shutil.rmtree(project.root / "plugins" / "subject")
    assert await handle.execute("still here") == "still here"
    with pytest.raises(WorkerCrashed):
        await handle.execute("exit")
    with pytest.raises(DevKitError) as caught:
        await handle.execute("gone", timeout=20)
    assert caught.value.code == "manifest-missing"


async def test_a_scratch_folder_of_any_depth(project):
    handle = await project.load("""
        import os
        def execute(text: str) -> str:
            os.chdir(os.environ["TMPDIR"])
            for _ in range(2000):
                os.mkdir("deep")
                os.chdir("deep")
            return text
    """)
    assert await handle.execute("dig") == "dig"
    await project.manager.unload("subject")  # the fixture looks whether anything is left


async def test_lone_surrogates_and_wrong_types_as_input(project):
    handle = await project.load("def execute(text: str) -> str:\n    return text\n")
    for wrong in ("\ud800", 5, None, {"a": 1}):
        with pytest.raises(DevKitError) as caught:
            await handle.execute(wrong)
        assert caught.value.code == "usage"
    with pytest.raises(ExecutionError) as caught:
        await handle.execute(b"\xff\xfe")
    assert caught.value.code == "input-not-text"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("for n in range(40): open(f'{scratch}/{n}', 'wb').write(b'x' * (1 << 20))", "scratch-limit"),
        ("for n in range(11_000): open(f'{scratch}/{n}', 'wb').close()", "scratch-limit"),
        (
            "threading.stack_size(1 << 16); "
            "[threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in range(80)]",
            "thread-limit",
        ),
    ],
)
async def test_what_only_the_host_can_bound(project, body, code):
    source = (
        "import os, threading, time\nscratch = os.environ['TMPDIR']\ndef execute(text: str) -> str:\n"
        f"    if text == 'attack':\n        {body}\n        time.sleep(60)\n    return text\n"
    )
    limits = "\n[runtime.limits]\nmax_disk_usage_mb = 20\n"
    handle = await project.load(source, more=limits)
    with pytest.raises(ResourceExhausted) as caught:
        await handle.execute("attack", timeout=50)
    assert caught.value.code == code
    assert await handle.execute("fine", timeout=20) == "fine"
