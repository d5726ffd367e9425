"""The blocking facade: the same answers and errors as the asynchronous one, from any thread."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from devkit_core import blocking
from devkit_core import manager as asynchronous
from devkit_core.errors import (
    CallTimeout,
    DevKitError,
    LoadError,
    NotFound,
    PayloadTooLarge,
    PluginRaised,
    UsageError,
    WorkerCrashed,
)
from devkit_core.events.bus import EventKind
from devkit_core.hooks.extensions import Extensions
from devkit_core.hooks.specs import hookimpl
from devkit_core.loading.call import Result
from devkit_core.running.handle import PluginHandle as AsyncHandle
from devkit_loader_python.loader import PythonLoader

ECHO = "def execute(data: bytes):\n    return data.decode() if data.isascii() else data\n"


def test_it_has_what_the_asynchronous_manager_has():
    def names(cls):
        return {name for name, _ in inspect.getmembers(cls, inspect.isfunction) if not name.startswith("_")}

    left_out = {"handle", "listen"}  # what only an event loop's own code can use
    assert names(asynchronous.PluginManager) - left_out == names(blocking.PluginManager)
    for name in names(blocking.PluginManager):
        ours = inspect.signature(getattr(blocking.PluginManager, name)).parameters
        theirs = inspect.signature(getattr(asynchronous.PluginManager, name)).parameters
        assert list(ours) == list(theirs), name


def test_a_handle_has_what_the_asynchronous_handle_has():
    def names(cls):
        return {name for name in vars(cls) if not name.startswith("_")}

    inside = {"encode", "has_middleware", "payload_limit", "relay", "seconds", "supervisor"}
    assert names(AsyncHandle) - inside == names(blocking.PluginHandle)


def test_life(project, manager):
    project.write("one", ECHO)
    project.write("two", ECHO, '[[dependencies]]\nid = "one"\n')
    with manager:
        assert manager.scan_and_load_plugins().loaded == ("one", "two")
        assert [each.id for each in manager.list_plugins()] == ["one", "two"]
        one = manager.get_plugin("one")
        assert (one.id, one.name, one.version, one.info.version) == ("one", "one", "1.0.0", "1.0.0")
        assert one.execute("text") == "text"
        assert manager.execute("two", b"\xff") == b"\xff"
        project.write("one", "def execute(data):\n    return 'new'\n")
        assert manager.reload("one").execute() == one.execute() == "new"
        assert manager.stats("one").calls == 3
        assert manager.stats().calls == 4
        assert manager.check_health("one") == "healthy"
        manager.unload("one", cascade=True)
        assert manager.get_plugin("one") is None
        with pytest.raises(LoadError) as unloaded:
            one.execute()
        assert unloaded.value.code == "plugin-not-loaded"
        manager.disable("one")
        with pytest.raises(LoadError) as disabled:
            manager.load("one")
        assert disabled.value.code == "plugin-disabled"
        manager.enable("one")
        assert manager.load("one").execute() == "new"
        with pytest.raises(NotFound):
            manager.load("three")
    manager.close()
    with pytest.raises(LoadError) as closed:
        manager.list_plugins()
    assert closed.value.code == "manager-closed"
    with pytest.raises(LoadError):
        one.execute()


def test_errors_of_calls(busy, manager):
    with pytest.raises(PluginRaised, match="ValueError: no"):
        busy.execute("raise no")
    with pytest.raises(UsageError):
        busy.execute(3)
    with pytest.raises(UsageError):
        busy.execute("\ud800")
    with pytest.raises(PayloadTooLarge):
        busy.execute("x" * ((64 << 20) + 1))
    with pytest.raises(WorkerCrashed) as crashed:
        busy.execute("die")
    assert crashed.value.signal == signal.SIGKILL
    assert busy.execute("echo again") == "again"
    assert manager.stats("busy").restarts == 1
    with pytest.raises(CallTimeout):
        busy.execute("sleep 60", timeout=0.2)
    assert busy.execute("echo again") == "again"
    assert manager.stats("busy").errors == {"plugin-raised": 1, "worker-crashed": 1, "call-timeout": 1}


def test_a_worker_that_dies_idle_is_replaced(busy):
    os.kill(int(busy.execute("pid")), signal.SIGKILL)
    for _ in range(50):
        assert busy.execute("echo x") == "x"


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 20) - 7, 9 << 20])
def test_payloads_of_any_size(busy, size):
    text = "é" * (size // 2)
    assert busy.execute("echo " + text) == text
    assert len(busy.execute(f"make {size}")) == size


def test_many_threads_share_a_worker(busy, manager):
    """Each gets its own answers; large ones both ways at once hold nobody up."""

    def work(number: int) -> bool:
        for turn in range(60):
            size = 300_000 if (number + turn) % 7 == 0 else 10
            text = f"{number}.{turn}." + "x" * size
            assert busy.execute("echo " + text) == text
        return True

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(work, range(12)))
    assert manager.stats("busy").calls == 12 * 60


def test_small_questions_with_large_answers(busy):
    """The worker is stuck in writing while threads write: who reads must never wait for who writes."""
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda n: len(busy.execute(f"make {n}")), [2 << 20, 10] * 20))
    assert sizes == [2 << 20, 10] * 20


def test_threads_through_crashes_timeouts_and_reloads(busy, manager):
    """Whatever happens to workers, each call ends once, by its own answer or an error of its own."""
    ended = []

    def work(number: int) -> None:
        for turn in range(40):
            text = f"{number}.{turn}"
            try:
                if number == 0 and turn % 13 == 5:
                    busy.execute("die")
                elif number == 1 and turn % 17 == 3:
                    busy.execute("sleep 60", timeout=0.05)
                else:
                    assert busy.execute("echo " + text, timeout=20) == text
            except (WorkerCrashed, CallTimeout) as error:
                ended.append(error.code)
            else:
                ended.append("ok")

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work, number) for number in range(8)]
        for _ in range(4):
            time.sleep(0.05)
            manager.reload("busy")
        for each in working:
            each.result(60)
    assert len(ended) == 8 * 40
    assert ended.count("call-timeout") >= 3
    assert manager.stats("busy").calls == 8 * 40


def test_calls_of_the_loop_and_of_threads_share_a_channel(project, manager):
    project.write("busy", "def execute(text):\n    return (f'{text}{n}' for n in range(200))\n")
    handle = manager.load("busy")

    def stream(text: str) -> list:
        return list(handle.stream(text))

    def execute(text: str) -> list:
        return [handle.execute(text) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(stream, "s"), pool.submit(execute, "e"), pool.submit(stream, "t")]
        healthy = [manager.check_health("busy") for _ in range(10)]
        streamed, executed, again = (each.result(60) for each in made)
    assert streamed == [f"s{n}" for n in range(200)]
    assert again == [f"t{n}" for n in range(200)]
    assert executed == ["".join(f"e{n}" for n in range(200))] * 20
    assert healthy == ["healthy"] * 10


def test_a_stream_left_early_is_cancelled_and_a_failing_one_raises(project, manager):
    project.write(
        "busy",
        """
        def execute(text):
            if text == "fail":
                yield "one"
                raise ValueError("two")
            while True:
                yield "x" * 1000
        """,
    )
    handle = manager.load("busy")
    items = handle.stream("endless")
    assert next(items) == "x" * 1000
    items.close()
    failing = handle.stream("fail")
    assert next(failing) == "one"
    with pytest.raises(PluginRaised):
        next(failing)


def test_functions(project, manager):
    more = """
        [functions.double]
        description = "twice a number"
        input = { type = "integer" }
        output = { type = "integer" }
    """
    project.write("busy", ECHO + "def double(n):\n    return 2 * n\n", more)
    handle = manager.load("busy")
    assert handle.call("double", "21") == "42"
    assert handle.call("double", 21) == handle.invoke("double", 21) == 42


async def test_within_a_running_loop(project):
    """As in a notebook: the thread that calls has a loop that runs."""
    assert asyncio.get_running_loop()
    project.write("busy", ECHO)
    with project.manager() as manager:
        handle = manager.load("busy")
        assert handle.execute("text") == "text"
        assert list(handle.stream("text")) == ["text"]
        assert [each.value for each in handle.map("abc")] == ["a", "b", "c"]
        # and the loop that runs may use threads of its own
        assert await asyncio.to_thread(handle.execute, "thread") == "thread"


def test_events(busy, manager):
    with manager.subscribe(kinds=[EventKind.RELOAD_SUCCEEDED]) as events:
        manager.reload("busy")
        manager.reload("busy")
        assert [next(events).plugin for _ in range(2)] == ["busy", "busy"]
        waiting = threading.Thread(target=lambda: list(events))
        waiting.start()
        events.close()
        waiting.join(10)
        assert not waiting.is_alive()
        assert events.missed == 0


def test_middleware_sees_the_calls(project):
    @hookimpl
    async def devkit_call(call, proceed):
        result = await proceed(call)
        return Result(result.data.upper(), result.text)

    @hookimpl
    def devkit_register_loaders():
        return [PythonLoader()]

    upper = types.ModuleType("upper")
    upper.devkit_call, upper.devkit_register_loaders = devkit_call, devkit_register_loaders
    extensions = Extensions.with_plugins([upper])
    project.write("busy", ECHO)
    handle = project.manager(extensions=extensions).load("busy")
    assert handle.execute("text") == "TEXT"
    assert [each.value for each in handle.map(["a", "b"])] == ["A", "B"]


def test_a_wait_in_the_managers_own_thread_is_refused(busy, manager):
    errors = []

    def ask(call) -> None:
        try:
            call()
        except DevKitError as error:
            errors.append(error.code)

    for call in (lambda: manager.list_plugins(), lambda: busy.info, lambda: busy.execute("echo x")):
        manager._background.soon(lambda call=call: ask(call))
    manager._background.call(lambda: None)
    assert errors == ["blocking-in-callback"] * 3


PROGRAM = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
sys.path[:0] = [{tests!r}]
from pathlib import Path
from conftest import BUSY, Project
project = Project(Path({root!r}))
project.write("busy", BUSY)
manager = project.manager()
busy = manager.load("busy")
{body}
"""


def run(tmp_path, body):
    program = PROGRAM.format(tests=os.path.dirname(__file__), root=str(tmp_path), body=body)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_that_forgets_to_close(tmp_path):
    done = run(tmp_path, "print(busy.execute('echo done'))")
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_a_program_that_forgets_to_close_and_watches_files(tmp_path):
    body = """
from devkit_core.blocking import PluginManager
other = PluginManager(places=project.places)  # hot reload is on
with other.subscribe(kinds=["watch-started"]) as events:
    busy = other.load("busy")
    next(events)
print(busy.execute("echo done"))
"""
    done = run(tmp_path, body)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_ctrl_c_ends_the_wait_and_no_more(tmp_path):
    body = """
threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT)).start()

try:
    busy.execute("sleep 30")
except KeyboardInterrupt:
    print("interrupted")
print(busy.execute("echo alive"))
manager.close()
"""
    done = run(tmp_path, body)
    assert (done.stdout, done.stderr) == ("interrupted\nalive\n", "")


STORM = """
import random, time
own = {own}
if own:
    def raises(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, raises)
    manager.close()
    manager = project.manager(max_restarts=1000)  # each interrupt may cost a worker
    busy = manager.load("busy")
stop = threading.Event()
answered = [0, 0]

def other():
    while not stop.is_set():
        try:
            assert busy.execute("echo other") == "other"
        except Exception as error:
            assert own and error.code == "worker-crashed", error
        answered[0] += 1

def shoot():
    main = threading.main_thread().ident
    for _ in range({times}):
        time.sleep(random.uniform(0.001, {pause}))
        signal.pthread_kill(main, signal.SIGINT)
    time.sleep(0.5)  # for the last one to be raised within the loop: it may be held back a while
    stop.set()

threads = [threading.Thread(target=target) for target in (other, other, shoot)]
for each in threads:
    each.start()

def call():
    while not stop.is_set():
        try:
            while not stop.is_set():
                assert busy.execute("echo main", timeout=20) == "main"
                assert all(each.value == "m" for each in busy.map(["echo m"] * 50) if not own or each.ok)
                answered[1] += 1
        except KeyboardInterrupt:
            pass
        except Exception as error:
            assert own and error.code == "worker-crashed", error

while not stop.is_set():
    try:
        call()
    except KeyboardInterrupt:  # between the end of one try and the next
        pass
for each in threads:
    each.join(20)
    assert not each.is_alive()
assert busy.execute("echo after") == "after"
assert min(answered) > 0
assert own or manager.stats("busy").restarts == 0
print("whole")
manager.close()
"""


@pytest.mark.parametrize(("own", "times", "pause"), [(False, 300, 0.004), (True, 60, 0.03)])
def test_interrupts_at_any_moment_harm_no_other_call(tmp_path, own, times, pause):
    """With Python's own handler nothing is lost; with another a worker may have to be replaced."""
    done = run(tmp_path, STORM.format(own=own, times=times, pause=pause))
    assert (done.stdout, done.stderr) == ("whole\n", "")
