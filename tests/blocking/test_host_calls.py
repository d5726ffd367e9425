"""Plugins ask their host while threads wait for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

ECHO = """
    import devkit_plugin

    def execute(text):
        devkit_plugin.log.info("got " + text)
        devkit_plugin.event("got", text=text)
        return devkit_plugin.host("echo", text)
"""


def test_a_waiting_thread_hands_over_what_the_plugin_asks(project):
    project.write("asking", ECHO)
    manager = project.manager()
    manager.expose("echo", lambda value: value[::-1])
    handle = manager.load("asking")
    with manager.subscribe(kinds=["plugin-event"]) as events, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(handle.execute, ["abc"] * 100)) == ["cba"] * 100
        assert next(iter(events)).data == {"name": "got", "data": {"text": "abc"}}
    assert [o.result() for o in handle.map(["ab"] * 50)] == ["ba"] * 50


def test_a_function_of_the_program_may_use_its_manager(project):
    project.write("asking", ECHO)
    project.write("other", "def execute(text):\n    return text.upper()\n")
    manager = project.manager()
    other = manager.load("other")
    threads = set()

    def echo(value):
        threads.add(threading.get_ident())
        return other.execute(value)

    manager.expose("echo", echo)
    assert manager.load("asking").execute("abc") == "ABC"
    assert threads
    assert threading.get_ident() not in threads


def test_what_a_plugin_says_between_calls_is_heard(project):
    heard = threading.Event()
    project.write(
        "asking",
        """
        import threading
        import devkit_plugin

        def execute(text):
            threading.Timer(0.5, devkit_plugin.host, ("heard", 1)).start()
            return text
        """,
    )
    manager = project.manager()
    manager.expose("heard", lambda value: heard.set())
    handle = manager.load("asking")
    assert handle.execute("x") == "x"
    assert heard.wait(60)
    assert handle.execute("y") == "y"


def test_other_plugins_by_threads(project):
    project.write("other", "def execute(text):\n    return text.upper()\n")
    project.write(
        "asking",
        "import devkit_plugin\ndef execute(text):\n    return devkit_plugin.call('other', text)\n",
        '[permissions]\npermissions = ["plugin:call=other"]\n',
    )
    manager = project.manager(default_permissions=["plugin:call=other"])
    other, handle = manager.load("other"), manager.load("asking")
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(each.execute, "abc") for each in (handle, other) * 20]
        assert [call.result() for call in calls] == ["ABC"] * 40


PIECES = """
    from collections.abc import Iterator

    def execute(pieces: Iterator[str]) -> Iterator[str]:
        for each in pieces:
            yield each.upper()
"""


def test_an_iterator_is_an_input_in_pieces(project):
    project.write("pieces", PIECES)
    handle = project.manager().load("pieces")
    assert handle.takes_pieces
    assert handle.execute(iter(["a", "b"])) == "AB"
    answered = threading.Semaphore(1)

    def questions():
        for each in "abcd":
            assert answered.acquire(timeout=60)  # which would hold up the manager, in its own thread
            yield each

    found = []
    for item in handle.stream(questions()):
        found.append(item)
        answered.release()
    assert found == list("ABCD")


def test_what_the_iterator_raises_is_raised(project):
    project.write("pieces", PIECES)
    handle = project.manager().load("pieces")

    def broken():
        yield "a"
        raise LookupError("nothing left")

    with pytest.raises(LookupError):
        handle.execute(broken())
    assert handle.execute("whole") == "WHOLE"


def test_calls_that_are_given_up_leave_a_bounded_number_of_threads(project):
    project.write(
        "asking",
        """
        import json
        import os
        import struct
        import devkit_plugin

        def frame(kind, number, payload):
            return struct.pack(">IBBHI", 8 + len(payload), kind, 3, 0, number) + payload

        def execute(count):
            head = json.dumps({"name": "host.call", "function": "slow"}).encode()
            call = struct.pack(">H", len(head)) + head + b"1"
            for number in range(10_000, 10_000 + int(count)):
                os.write(3, frame(15, number, call) + frame(18, number, b""))
                if number % 20 == 0:
                    devkit_plugin.host("quick")
            try:
                return devkit_plugin.host("slow")
            except devkit_plugin.HostError as error:
                return error.code
        """,
    )
    manager = project.manager()
    over = threading.Event()
    manager.expose("slow", lambda value: over.wait(60))
    manager.expose("quick", lambda value: None)
    before = threading.active_count()
    assert manager.load("asking").execute("400") == "overloaded"
    assert threading.active_count() - before <= 260
    over.set()


def test_a_function_that_ends_its_program_ends_the_call_alone(project):
    project.write(
        "asking",
        """
        import devkit_plugin

        def execute(name):
            try:
                return devkit_plugin.host(name)
            except devkit_plugin.HostError as error:
                return error.code
        """,
    )
    manager = project.manager()

    async def leave(value):
        raise SystemExit(3)

    def exit(value):
        raise SystemExit(4)

    manager.expose("leave", leave)
    manager.expose("exit", exit)
    handle = manager.load("asking")
    assert [handle.execute(name) for name in ("leave", "exit", "leave")] == ["host-function-failed"] * 3
