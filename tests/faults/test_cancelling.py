"""A call that is cancelled, or out of time, stops in the plugin's code, and its worker stays."""

import asyncio
import contextlib

import pytest

from devkit_core.errors import CallTimeout, ExecutionError, WorkerCrashed

PLUGIN = """
    import json, time
    print("ready")
    stopped = []

    def execute(text: str):
        what, _, rest = text.partition(" ")
        if what == "stopped":
            return ",".join(stopped)
        if what == "echo":
            return rest
        if what == "stream":
            return forever()
        print("begun", flush=True)
        try:
            globals()[what]()
        except BaseException as error:
            stopped.append(type(error).__name__)
            raise

    def burn():
        while True: pass
    def sleep():
        time.sleep(600)
    def library():
        while True: json.dumps(list(range(1000)))
    def cleans():
        try:
            burn()
        finally:
            for _ in range(8):
                time.sleep(0.03)  # longer than until the next signal
            stopped.append("cleaned")
    def careful():
        while True:
            try:
                sum(range(100))
            except Exception:
                stopped.append("wrong")
    def forever():
        print("begun", flush=True)
        try:
            while True:
                yield "x"
        except BaseException as error:
            stopped.append(type(error).__name__)
            raise
    def deaf():
        while True:
            try:
                time.sleep(0.01)
            except BaseException:
                pass
"""


async def begun(project, task) -> None:
    """Wait until the plugin has begun."""
    async with asyncio.timeout(50):
        while not any(line.text == "begun" for line in project.manager.logs.lines("subject")):
            assert not task.done(), task.result()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["burn", "sleep", "library", "cleans", "careful"])
async def test_a_cancelled_call_stops_and_its_worker_stays(project, how):
    handle = await project.load(PLUGIN)
    pid = handle.pid
    task = asyncio.ensure_future(handle.execute(how, timeout=100))
    await begun(project, task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    expected = "cleaned,Cancelled" if how == "cleans" else "Cancelled"
    assert await handle.execute("stopped", timeout=50) == expected
    assert handle.pid == pid


async def test_a_call_whose_time_is_over_stops_and_its_worker_stays(project):
    handle = await project.load(PLUGIN)
    pid = handle.pid
    with pytest.raises(CallTimeout):
        await handle.execute("burn", timeout=0.1)
    assert await handle.execute("stopped", timeout=50) == "Cancelled"
    assert handle.pid == pid


async def test_a_stream_that_is_left_stops(project):
    handle = await project.load(PLUGIN)
    pid = handle.pid
    async with contextlib.aclosing(handle.stream("stream", timeout=100)) as items:
        async for item in items:
            assert item == "x"
            break
    assert await handle.execute("stopped", timeout=50) in ("Cancelled", "GeneratorExit")
    assert handle.pid == pid


async def test_one_that_will_not_stop_is_ended(project):
    handle = await project.load(PLUGIN)
    pid = handle.pid
    task = asyncio.ensure_future(handle.execute("deaf", timeout=100))
    await begun(project, task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await handle.execute("stopped", timeout=50) == ""
    assert handle.pid != pid


async def test_a_cancel_never_meets_another_call(project):
    """Many calls are given up at any moment of theirs; each of the others is answered with its own."""
    handle = await project.load(
        "import time\ndef execute(text: str) -> str:\n    time.sleep(0.002)\n    return text\n"
    )
    pid = handle.pid

    async def kept(number: int) -> None:
        assert await handle.execute(f"{number}", timeout=100) == f"{number}"

    async def given_up(number: int) -> None:
        task = asyncio.ensure_future(handle.execute(f"{number}", timeout=100))
        await asyncio.sleep(number % 17 * 0.0009)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            assert await task == f"{number}"

    for start in range(0, 400, 20):
        await asyncio.gather(*(kept(n) if n % 3 else given_up(n) for n in range(start, start + 20)))
    assert handle.pid == pid


async def test_an_async_plugin_that_holds_its_loop_up_loses_that_call_alone(project):
    handle = await project.load("""
        import asyncio
        async def execute(text: str) -> str:
            if text == "burn":
                print("begun", flush=True)
                while True: pass
            await asyncio.sleep(0.2)
            return text
    """)
    pid = handle.pid
    other = asyncio.ensure_future(handle.execute("other", timeout=100))
    task = asyncio.ensure_future(handle.execute("burn", timeout=100))
    await begun(project, task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await other == "other"
    assert handle.pid == pid


async def test_a_plugin_sees_what_it_is(project):
    handle = await project.load("""
        import devkit_plugin
        def execute(text: str) -> str:
            print("begun", flush=True)
            try:
                while text != "fine": pass
            except devkit_plugin.Cancelled as error:
                raise
            return str(issubclass(devkit_plugin.Cancelled, Exception))
    """)
    with pytest.raises(ExecutionError):
        await handle.execute("burn", timeout=0.1)
    assert await handle.execute("fine", timeout=50) == "False"


@pytest.mark.parametrize("word", ["def", "async def"])
async def test_a_plugin_knows_the_time_that_its_caller_chose(project, word):
    handle = await project.load(f"""
        import devkit_plugin
        {word} execute(text: str) -> str:
            return f"{{devkit_plugin.time_left()}} {{devkit_plugin.trace()}}"
    """)
    assert await handle.execute() == "None "
    left = float(str(await handle.execute(timeout=50)).split()[0])
    assert 0 < left <= 50
    assert await handle.execute("again") == "None "
    large = float(str(await handle.execute("x" * (2 << 20), timeout=40)).split()[0])
    assert 0 < large <= 40


async def test_calls_cancelled_behind_their_answers_harm_nobody(project):
    handle = await project.load("""
        async def execute(text):
            return text * 100_000
        """)
    for _ in range(5):
        calls = [asyncio.ensure_future(handle.execute("x", timeout=60)) for _ in range(60)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for call in calls:  # most have answered, and wait for room to send that
            call.cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in ended} <= {str, asyncio.CancelledError}
        assert await handle.execute("y", timeout=60) == "y" * 100_000


async def test_a_worker_busy_with_other_calls_is_given_its_time(project):
    """A cancelled call stops only when its turn comes; until then a worker that answers others has it."""
    handle = await project.load("""
        import time
        async def execute(text: str) -> str:
            print("begun", flush=True)
            time.sleep(0.04)
            return text
        """)
    pid = handle.pid
    kept = [asyncio.ensure_future(handle.execute(f"{n}", timeout=60)) for n in range(40)]
    given_up = [asyncio.ensure_future(handle.execute("late", timeout=60)) for _ in range(5)]
    await begun(project, kept[0])
    for call in given_up:
        call.cancel()
    assert await asyncio.gather(*kept) == [f"{n}" for n in range(40)]
    assert await handle.execute("after", timeout=60) == "after"
    assert handle.pid == pid


async def test_one_that_will_not_stop_is_ended_though_others_are_answered(project):
    handle = await project.load("""
        import asyncio
        async def execute(text: str) -> str:
            if text != "deaf":
                return text
            print("begun", flush=True)
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.01)
        import contextlib
        """)
    pid = handle.pid
    task = asyncio.ensure_future(handle.execute("deaf", timeout=100))
    await begun(project, task)
    task.cancel()
    async with asyncio.timeout(50):
        while handle.pid == pid:
            with contextlib.suppress(WorkerCrashed):
                assert await handle.execute("x", timeout=60) == "x"


async def test_calls_cancelled_before_they_begin_are_answered_too(project):
    handle = await project.load("""
        async def execute(text: str) -> str:
            return text
        """)
    pid = handle.pid
    for _ in range(20):
        calls = [asyncio.ensure_future(handle.execute("x", timeout=60)) for _ in range(100)]
        await asyncio.sleep(0)  # they are sent, and their cancels in the same write
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    await asyncio.sleep(1)  # else the worker is ended meanwhile
    assert await handle.execute("y", timeout=60) == "y"
    assert handle.pid == pid
