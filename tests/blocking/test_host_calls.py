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
