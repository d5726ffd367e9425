"""Threads use all workers of a plugin, and lose no call where one dies, rests or is swapped."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from devkit_core.errors import LoadError, WorkerCrashed

MANY = """
    import os, time
    def execute(text: str) -> str:
        if text == "exit":
            os._exit(3)
        time.sleep(float(text or 0))
        return str(os.getpid())
"""
THREE = "[runtime]\nworkers = 3\n"


def test_calls_of_threads_go_to_all_workers(project):
    project.write("many", MANY, more=THREE)
    with project.manager() as manager:
        handle = manager.load("many")
        with ThreadPoolExecutor(6) as pool:
            pids = set(pool.map(handle.execute, ["0.05"] * 12))
        assert pids == {str(pid) for pid in manager.stats("many").pids}
        assert manager.stats("many").calls == 12


@pytest.mark.parametrize("ordered", [True, False])
def test_a_map_uses_all_workers(project, ordered):
    project.write("many", MANY, more=THREE)
    with project.manager() as manager:
        handle = manager.load("many")
        outcomes = list(handle.map(["0.02"] * 60, ordered=ordered))
        assert len(outcomes) == 60
        assert {outcome.result() for outcome in outcomes} == {str(pid) for pid in manager.stats("many").pids}
        assert sorted(outcome.position for outcome in outcomes) == list(range(60))


def test_a_map_goes_on_where_a_worker_dies(project):
    project.write("many", MANY, more=THREE)
    with project.manager() as manager:
        handle = manager.load("many")
        inputs = ["0.01"] * 30 + ["exit"] + ["0.01"] * 30
        outcomes = list(handle.map(inputs, in_flight=9))
        failed = [outcome.position for outcome in outcomes if not outcome.ok]
        assert failed == [30]
        assert isinstance(outcomes[30].error, WorkerCrashed)


def test_a_reload_between_calls_of_threads_loses_none(project):
    project.write("many", MANY, more="[runtime]\nworkers = 2\n")
    with project.manager() as manager:
        handle = manager.load("many")
        stop = threading.Event()
        failed: list[BaseException] = []

        def ask() -> None:
            while not stop.is_set():
                try:
                    handle.execute("0.001")
                except BaseException as error:
                    failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            manager.reload("many")
        stop.set()
        for thread in threads:
            thread.join()
        assert failed == []


def test_threads_start_a_plugin_on_demand_and_let_it_rest(project):
    more = '[runtime]\nactivation = "on-demand"\n[runtime.timeouts]\nidle_timeout_seconds = 0.5\n'
    project.write("lazy", MANY, more=more)
    with project.manager() as manager:
        assert manager.scan_and_load_plugins().on_demand == ("lazy",)
        handle = manager.get_plugin("lazy")
        events = manager.subscribe(kinds=["plugin-unloaded"])
        with ThreadPoolExecutor(4) as pool:
            first = set(pool.map(handle.execute, ["0.01"] * 8))
        assert len(first) == 1
        assert next(events).data["why"] == "idle for 0.5 s"
        assert handle.pid is None
        assert handle.execute() not in first


def test_closing_lets_the_calls_of_threads_finish(project):
    project.write(
        "slow", MANY.replace("        time.sleep", "        print(text, flush=True)\n        time.sleep")
    )
    manager = project.manager(shutdown_timeout=30)
    handle = manager.load("slow")
    pid = str(handle.pid)
    begun = threading.Event()
    manager._manager.logs.follow(lambda line: begun.set())
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(handle.execute, "0.2")
        assert begun.wait(30)
        manager.close()
        assert call.result() == pid
    with pytest.raises(LoadError):
        handle.execute("0")


def test_an_idle_worker_that_is_stopped_is_replaced(project):
    project.write("plain", MANY)
    with project.manager(ping_interval=0.05, ping_timeout=1.0) as manager:
        handle = manager.load("plain")
        pid = handle.execute()
        events = manager.subscribe(kinds=["plugin-loaded"])
        os.kill(int(pid), signal.SIGSTOP)
        assert next(events).data["restarted"]
        assert handle.execute() != pid
