"""How a call resumes the task that waits for it."""

import asyncio
import contextvars

import pytest

from devkit_core.events.stats import Tally
from devkit_core.protocol.messages import Result
from devkit_core.workers.pending import PlainCall
from devkit_core.workers.wakeups import Wakeups


def call(wakeups: Wakeups) -> PlainCall:
    return PlainCall("plug", 0, b"x", True, 5.0, wakeups, Tally())


async def waits(waited: PlainCall) -> str | bytes:
    return await waited


async def started(*coroutines) -> list[asyncio.Task]:
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    await asyncio.sleep(0)
    return tasks


async def test_many_that_end_together_go_on_in_order():
    wakeups = Wakeups(asyncio.get_running_loop())
    calls = [call(wakeups) for _ in range(5)]
    order: list[int] = []

    async def note(number: int) -> None:
        order.append((number, await calls[number]))

    tasks = await started(*(note(n) for n in range(5)))
    calls[1].set_text("one", 3)
    calls[0].set_result(Result(b"zero", False))
    for number in (4, 2, 3):
        calls[number].set_text(str(number), 1)
    await asyncio.gather(*tasks)
    assert order == [(1, "one"), (0, b"zero"), (4, "4"), (2, "2"), (3, "3")]


async def test_one_that_ended_before_it_is_awaited():
    waited = call(Wakeups(asyncio.get_running_loop()))
    waited.set_text("there", 5)
    assert await waited == "there"
    assert await waited == "there"


async def test_an_error_is_raised_where_it_is_awaited():
    waited = call(Wakeups(asyncio.get_running_loop()))
    (task,) = await started(waits(waited))
    waited.set_exception(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await task


async def test_a_task_that_is_cancelled_gives_the_call_up():
    waited = call(Wakeups(asyncio.get_running_loop()))
    given_up = []
    waited.abandon = given_up.append
    (task,) = await started(waits(waited))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert given_up == [waited]
    assert waited.cancelled()
    waited.set_text("late", 4)
    assert waited.cancelled()


async def test_a_task_that_is_cancelled_when_the_answer_is_there():
    waited = call(Wakeups(asyncio.get_running_loop()))
    (task,) = await started(waits(waited))
    waited.set_text("there", 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not waited.cancelled()


async def test_a_second_task_is_told():
    waited = call(Wakeups(asyncio.get_running_loop()))
    first, second = await started(waits(waited), waits(waited))
    with pytest.raises(RuntimeError, match="waits for this call already"):
        await second
    waited.set_text("one", 3)
    assert await first == "one"


async def test_a_task_goes_on_in_its_own_context():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    waited = call(Wakeups(asyncio.get_running_loop()))

    async def sees() -> str:
        variable.set("its own")
        await waited
        return variable.get()

    (task,) = await started(sees())
    variable.set("another's")
    waited.set_text("", 0)
    assert await task == "its own"


async def test_a_time_limit_around_it():
    waited = call(Wakeups(asyncio.get_running_loop()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await waited
    assert waited.cancelled()


def test_an_interrupt_in_one_task_leaves_the_others_their_turn():
    done: list[str] = []

    async def main() -> None:
        wakeups = Wakeups(asyncio.get_running_loop())
        calls = [call(wakeups) for _ in range(3)]

        async def interrupted() -> None:
            await calls[0]
            raise SystemExit("interrupted")

        async def note(number: int) -> None:
            done.append(await calls[number])

        await started(interrupted(), note(1), note(2))
        for number, each in enumerate(calls):
            each.set_text(str(number), 1)
        await asyncio.sleep(1)

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    with pytest.raises(SystemExit):
        loop.run_until_complete(task)
    loop.run_until_complete(asyncio.sleep(0.05))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert done == ["1", "2"]
