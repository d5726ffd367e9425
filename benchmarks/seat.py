"""One contestant in a process of its own, and how calls are timed.

`python seat.py MODULE CLASS [ARGUMENT …]` makes an object, says its version, and then does task by task
what it reads: a line of JSON each way, as `peers/goplugin/main.go` does too. A task is a method; it returns
figures by unit. Contestants in processes of their own don't weigh on each other, and take turns.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

Figures = dict[str, float]
WINDOW = 64
#: seconds between the end of a plugin and the next start, so that each begins on an idle host
PAUSE = 0.02
_now = time.perf_counter_ns


class Seat:
    """A contestant; `start` brings up what is called, and a task is a method."""

    loop_factory: ClassVar[Callable[[], asyncio.AbstractEventLoop] | None] = None
    version = ""

    async def start(self) -> None:
        """Get ready for tasks."""

    async def stop(self) -> None:
        """End what was started."""


def text_of(size: int) -> str:
    """Return a text of so many bytes."""
    return "x" * size


def spread(samples: list[int], scale: float = 1e3, unit: str = "µs") -> Figures:
    """Return median and p99 of samples in nanoseconds."""
    samples = sorted(samples)
    return {
        unit: samples[len(samples) // 2] / scale,
        f"p99 {unit}": samples[len(samples) * 99 // 100] / scale,
    }


def one_at_a_time(call: Callable[[str], object], size: int, calls: int) -> Figures:
    """Time one call after the other."""
    text, samples = text_of(size), []
    if call(text) != text:
        raise AssertionError("a wrong echo")
    for _ in range(calls // 10):
        call(text)
    for _ in range(calls):
        begin = _now()
        call(text)
        samples.append(_now() - begin)
    return spread(samples)


async def one_at_a_time_in_loop(call: Callable[[str], Awaitable[object]], size: int, calls: int) -> Figures:
    """Time one call after the other, in the event loop."""
    text, samples = text_of(size), []
    if await call(text) != text:
        raise AssertionError("a wrong echo")
    for _ in range(calls // 10):
        await call(text)
    for _ in range(calls):
        begin = _now()
        await call(text)
        samples.append(_now() - begin)
    return spread(samples)


async def flight_in_loop(call: Callable[[str], Awaitable[object]], size: int, calls: int) -> Figures:
    """Count calls a second by 64 tasks that call one after the other."""
    text = text_of(size)

    async def caller() -> None:
        for _ in range(calls // WINDOW):
            await call(text)

    begin = _now()
    await asyncio.gather(*(caller() for _ in range(WINDOW)))
    return rate(calls // WINDOW * WINDOW, begin)


def rate(calls: int, begin: int) -> Figures:
    """Return the calls a second since a moment of `time.perf_counter_ns`."""
    return {"calls/s": calls / (_now() - begin) * 1e9}


def pss(pid: int) -> float:
    """Return a process's own memory and its share of what it shares, in MiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"the system doesn't tell the memory of {pid}")


def main(module: str, name: str, *arguments: str) -> None:
    """Take tasks from stdin until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever contestants print is no answer
    sys.path.extend(filter(None, os.environ.get("BENCHMARKS_PEERS", "").split(os.pathsep)))

    def answer(**data: Any) -> None:
        answers.write(json.dumps(data) + "\n")
        answers.flush()

    try:
        seat: Seat = getattr(importlib.import_module(module), name)(*arguments)
    except ImportError as error:
        if (error.name or "").startswith("devkit"):
            raise
        answer(skipped=str(error))
        return
    with asyncio.Runner(loop_factory=type(seat).loop_factory) as runner:
        runner.run(seat.start())
        answer(version=seat.version)
        for line in sys.stdin:
            task = json.loads(line)
            try:
                figures = getattr(seat, task.pop("task"))(**task)
                if inspect.iscoroutine(figures):
                    figures = runner.run(figures)
            except Exception as error:  # one task that fails stops no other
                answer(failed=f"{type(error).__name__}: {error}")
            else:
                answer(figures=figures)
        runner.run(seat.stop())


if __name__ == "__main__":
    main(*sys.argv[1:])
