"""What a call can come to: answers, errors, traps, time and memory."""

import asyncio
import threading
import time

import pytest

from devkit_core.errors import (
    CallTimeout,
    ExecutionError,
    InitializeFailed,
    LoadError,
    PayloadTooLarge,
    PluginRaised,
    WorkerCrashed,
)

from .conftest import ECHO, plain

COUNT = """(global.set $n (i32.add (global.get $n) (i32.const 1)))
  (i32.store8 (i32.const 8) (i32.add (i32.const 48) (global.get $n)))
  (i64.const 0x800000001)"""
COUNTER = "(global $n (mut i32) (i32.const 0))"
FOREVER = "(loop $l (br $l))"


def on(letter: str, then: str) -> str:
    """Do something where the input starts with this letter."""
    return f"(if (i32.eq (i32.load8_u (local.get $at)) (i32.const {ord(letter)})) (then {then}))"


async def test_bytes_come_back_as_they_went(load):
    handle = await load(plain(ECHO))
    assert await handle.execute(b"\xff\0\x80") == b"\xff\0\x80"
    assert await handle.execute("żółw") == "żółw"
    assert await handle.execute("") == ""


async def test_a_text_gets_bytes_where_the_answer_is_no_text(load):
    handle = await load(plain(f"(i32.store8 (local.get $at) (i32.const 255)) {ECHO}"))
    assert await handle.execute("png") == b"\xffng"


async def test_a_trap_names_functions_and_loses_the_state(load):
    handle = await load(plain(on("t", "(call $give_up)") + COUNT, COUNTER + "(func $give_up unreachable)"))
    assert [await handle.execute("n") for _ in range(2)] == ["1", "2"]
    with pytest.raises(PluginRaised, match="unreachable") as caught:
        await handle.execute("t")
    assert caught.value.code == "plugin-raised"
    assert "give_up" in caught.value.traceback
    assert "execute" in caught.value.traceback
    assert await handle.execute("n") == "1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("(call $execute (local.get $at) (local.get $size))", "stack"),
        ("(i64.load (i32.const 0x7fffffff))", "out of bounds"),
        ("(i64.div_s (i64.const 1) (i64.const 0))", "divide by zero"),
        ("(call_indirect (result i64) (i32.const 9))", "table"),
    ],
)
async def test_traps_say_what_they_are(load, body, message):
    handle = await load(plain(body, "(table 1 funcref)"))
    for _ in range(2):
        with pytest.raises(PluginRaised, match=message):
            await handle.execute("x")


@pytest.mark.parametrize(
    ("packed", "kind", "code"),
    [
        ("0xffffffff00000010", ExecutionError, "wasm-answer-invalid"),
        ("0x0000ffff00000010", ExecutionError, "wasm-answer-invalid"),
        ("0x0000000080000000", PluginRaised, "plugin-raised"),
        ("0xffffffff80000010", ExecutionError, "wasm-answer-invalid"),
        ("0x000000007fffffff", PayloadTooLarge, "payload-too-large"),
    ],
)
async def test_an_answer_outside_of_memory_is_an_error_of_that_call(load, packed, kind, code):
    handle = await load(plain(on("x", f"(return (i64.const {packed}))") + ECHO))
    for _ in range(12):
        with pytest.raises(kind) as caught:
            await handle.execute("x")
        assert caught.value.code == code
        assert await handle.execute("ok") == "ok"


async def test_an_input_buffer_outside_of_memory_is_an_error(load):
    handle = await load(plain(ECHO).replace("(i32.const 1024)", "(i32.const -16)"))
    with pytest.raises(ExecutionError) as caught:
        await handle.execute("x" * 100)
    assert caught.value.code == "wasm-answer-invalid"


async def test_no_room_for_the_input_is_an_error(load):
    handle = await load(plain(ECHO).replace("(i32.const 1024)", "(i32.const 0)"))
    with pytest.raises(PluginRaised, match="no room"):
        await handle.execute("x")


async def test_the_input_buffer_is_asked_for_again_only_when_it_is_too_small(load):
    alloc = """(global.set $n (i32.add (global.get $n) (i32.const 1))) (i32.const 1024)"""
    count = "(i32.store8 (i32.const 8) (i32.add (i32.const 48) (global.get $n))) (i64.const 0x800000001)"
    handle = await load(plain(count, COUNTER).replace("(i32.const 1024)", alloc))
    assert [await handle.execute("x" * size) for size in (1, 4096, 0, 4097, 9, 9000)] == list("111223")


async def test_answers_are_freed_where_the_module_wants_it(load):
    free = """(func (export "devkit_free") (param i32 i32)
      (global.set $n (i32.add (global.get $n) (local.get 1))))"""
    count = "(i32.store8 (i32.const 8) (i32.add (i32.const 48) (global.get $n))) (i64.const 0x800000001)"
    handle = await load(plain(count, COUNTER + free))
    assert [await handle.execute("x") for _ in range(4)] == list("0123")


async def test_an_endless_loop_ends_at_its_time_and_others_go_on(load):
    handle = await load(plain(on("h", FOREVER) + ECHO))
    calls = [handle.execute("hang", timeout=0.1), *(handle.execute(str(n), timeout=20) for n in range(30))]
    first, *rest = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, CallTimeout)
    assert rest == [str(n) for n in range(30)]


async def test_a_loop_after_many_short_calls_holds_the_event_loop_up_only_for_a_moment(load):
    handle = await load(plain(on("h", FOREVER) + ECHO))
    for n in range(50):
        assert await handle.execute(str(n)) == str(n)
    hanging = asyncio.ensure_future(handle.execute("hang", timeout=0.5))
    turns = 0
    while not hanging.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 10
    with pytest.raises(CallTimeout):
        await hanging
    assert await handle.execute("on") == "on"


async def test_a_long_call_that_began_in_the_event_loop_ends_on_the_thread_with_its_answer(load):
    long = f"""{COUNT.splitlines()[0]}
      (local.set $n (i64.const 60000000))
      (loop $l (br_if $l (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))"""
    body = "(local $n i64)" + on("l", long) + ECHO
    handle = await load(plain(body, COUNTER))
    for n in range(50):
        assert await handle.execute(str(n)) == str(n)
    answers = await asyncio.gather(handle.execute("long"), *(handle.execute(str(n)) for n in range(9)))
    assert answers == ["long", *(str(n) for n in range(9))]


async def test_a_caller_that_never_waits_leaves_other_tasks_their_turn(load):
    handle = await load(plain(ECHO))
    turns = 0

    async def other():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.ensure_future(other())
    for n in range(5000):
        await handle.execute(str(n))
    task.cancel()
    assert turns >= 5


async def test_cancelling_stops_the_code(load, manager):
    handle = await load(plain(on("h", FOREVER) + ECHO))
    call = asyncio.ensure_future(handle.execute("hang"))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await handle.execute("on", timeout=5) == "on"


async def _outcome(handle, text):
    try:
        return await handle.execute(text)
    except ExecutionError as error:
        return error


async def test_memory_grows_to_its_limit_only(load):
    grow = "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))"
    handle = await load(plain(grow + ECHO))
    answers = [await _outcome(handle, "1 MiB more") for _ in range(64)]
    assert answers[:63] == ["1 MiB more"] * 63
    assert isinstance(answers[63], PluginRaised)
    assert await handle.execute("on") == "on"


async def test_memory_that_is_too_large_from_the_start_is_refused(load):
    with pytest.raises(InitializeFailed) as caught:
        await load(plain(ECHO, memory="1025"))
    assert caught.value.code == "memory-limit"


async def test_a_table_has_a_limit(load):
    with pytest.raises(InitializeFailed) as caught:
        await load(plain(ECHO, "(table 10000000 funcref)"))
    assert caught.value.code == "memory-limit"


async def test_an_endless_start_function_is_an_error_in_time(load):
    with pytest.raises(InitializeFailed) as caught:
        await load(
            plain(ECHO, f"(func $s {FOREVER}) (start $s)"),
            "\n[runtime.timeouts]\ninit_timeout_seconds = 0.2\n",
        )
    assert caught.value.code == "initialize-timeout"


async def test_a_start_function_that_traps_is_an_error(load):
    with pytest.raises(InitializeFailed, match="unreachable"):
        await load(plain(ECHO, "(func $s unreachable) (start $s)"))


async def test_initialize_reports_its_own_error(load):
    fails = """(data (i32.const 8) "no luck")
      (func (export "devkit_initialize") (result i64) (i64.const 0x880000007))"""
    with pytest.raises(InitializeFailed, match="no luck"):
        await load(plain(ECHO, fails))


async def test_log_lines_come_from_the_import(load, manager):
    log = '(import "devkit" "log" (func $log (param i32 i32)))'
    handle = await load(plain(f"(call $log (local.get $at) (local.get $size)) {ECHO}", log))
    for n in range(20):
        await handle.execute(f"line {n}")
    await handle.execute(b"\xff")
    await asyncio.sleep(0.02)
    lines = [line.text for line in manager.logs.lines("module")]
    assert lines == [*(f"line {n}" for n in range(20)), "\ufffd"]


async def test_a_log_outside_of_memory_is_ignored(load):
    log = '(import "devkit" "log" (func $log (param i32 i32)))'
    handle = await load(plain(f"(call $log (i32.const -1) (i32.const -1)) {ECHO}", log))
    assert await handle.execute("on") == "on"


async def test_functions_of_the_manifest_are_exports(load, write, manager):
    upper = f"""(func (export "devkit_function_first") (param $at i32) (param $size i32) (result i64)
      (i32.store8 offset=1 (local.get $at) (i32.const 33)) {ECHO})"""
    more = '\n[functions.first]\ndescription = "marks"\n[functions.first.input]\n[functions.first.output]\n'
    handle = await load(plain(ECHO, upper), more)
    assert await handle.call("first", '"x"') == '"!"'
    write(plain(ECHO), more)
    with pytest.raises(LoadError) as caught:
        await manager.reload("module")
    assert caught.value.code == "wasm-export-missing"


async def test_a_closed_instance_leaves_no_thread(load, manager):
    handle = await load(plain(on("h", FOREVER) + ECHO))
    call = asyncio.ensure_future(handle.execute("hang"))
    await asyncio.sleep(0.05)
    await manager.unload("module")
    with pytest.raises(WorkerCrashed):
        await call
    until = time.monotonic() + 5
    while [t for t in threading.enumerate() if t.name.startswith("devkit-wasm")] and time.monotonic() < until:
        await asyncio.sleep(0.02)
    assert [t.name for t in threading.enumerate() if t.name.startswith("devkit-wasm")] == []
