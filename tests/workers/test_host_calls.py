"""What plugins ask of their host and tell it, by real workers."""

import asyncio
import json
import textwrap

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout, DevKitError, PluginRaised, UsageError
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "{id}"
name = "{id}"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "plugin.py"
"""


class Host:
    """A manager, and plugins that are written where they are needed."""

    def __init__(self, folder, manager):
        self.folder = folder
        self.manager = manager

    async def load(self, source, id="subject", more=""):
        folder = self.folder / "plugins" / id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "plugin.toml").write_text(MANIFEST.format(id=id) + textwrap.dedent(more))
        (folder / "plugin.py").write_text("import devkit_plugin as host\n" + textwrap.dedent(source))
        self.manager.discover()
        return await self.manager.load(id)

    def messages(self, id="subject"):
        lines = self.manager.logs.lines(id)
        return [(line.level, line.text, dict(line.fields)) for line in lines if line.stream == "log"]


@pytest.fixture
async def host(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:
        yield Host(tmp_path, manager)


def granting(*permissions):
    return PluginSystemConfig(default_permissions=list(permissions))


@pytest.fixture
async def permitted(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    config = granting("plugin:call", "clock")
    async with PluginManager(config, places=places, control=False) as manager:
        yield Host(tmp_path, manager)


CALLS = '[permissions]\npermissions = ["plugin:call"]\n'
# -- log, events, progress


async def test_log_lines_have_levels_and_fields(host):
    handle = await host.load("""
        host.log.info("read at import")
        def execute(text):
            host.log.debug("d")
            host.log.warning("w", count=3, name="x", odd={1, 2}.__class__)
            host.log.error("e" * 20_000)
            host.log.info("nan", value=float("nan"))
            return text
    """)
    await handle.execute("x")
    early, *rest = host.messages()
    assert early == ("info", "read at import", {})
    assert [level for level, _, _ in rest] == ["debug", "warning", "error", "info"]
    assert rest[1][2] == {"count": 3, "name": "x", "odd": "<class 'set'>"}
    assert 8_000 < len(rest[2][1]) < 9_000


async def test_the_standard_logging_reaches_the_host_at_its_levels(host, caplog):
    caplog.set_level("DEBUG", logger="devkit.plugin")
    handle = await host.load("""
        import logging
        logging.basicConfig(handlers=[host.LogHandler()], level="INFO")
        def execute(text):
            logging.getLogger("own").debug("not wanted")
            logging.getLogger("own").info("a %s", "word")
            logging.getLogger("own").critical("burning")
            return text
    """)
    await handle.execute("x")
    assert host.messages() == [
        ("info", "a word", {"logger": "own"}),
        ("error", "burning", {"logger": "own"}),
    ]
    assert [(r.levelname, r.message) for r in caplog.records if r.name == "devkit.plugin"] == [
        ("INFO", "subject: a word"),
        ("ERROR", "subject: burning"),
    ]


async def test_events_are_on_the_bus_before_the_answer(host):
    seen = []
    host.manager.listen(seen.append, kinds=["plugin-event"])
    handle = await host.load("""
        def execute(text):
            host.event("indexed", files=12, name="both")
            return text
    """)
    await handle.execute("x")
    assert [(e.plugin, dict(e.data)) for e in seen] == [
        ("subject", {"name": "indexed", "data": {"files": 12, "name": "both"}})
    ]


async def test_progress_reaches_the_caller_thinned_out_and_to_the_end(host):
    seen = []
    host.manager.listen(seen.append, kinds=["plugin-progress"])
    handle = await host.load("""
        def execute(text):
            for each in range(501):
                host.progress(each, 500, "reading")
            return text
    """)
    await handle.execute("x")
    made = [dict(e.data) for e in seen]
    assert made[0] == {"done": 0, "total": 500, "message": "reading"}
    assert made[-1]["done"] == 500
    assert len(made) < 100
    assert all(e.kind != "plugin-progress" for e in host.manager._bus.recent())


@pytest.mark.parametrize("odd", ['host.progress(float("inf"))', "host.progress(-1)", 'host.event("No Name")'])
async def test_what_makes_no_sense_is_the_plugins_own_error(host, odd):
    handle = await host.load(f"def execute(text):\n    {odd}\n")
    pid = handle.pid
    with pytest.raises(PluginRaised, match="host-call-invalid"):
        await handle.execute("x")
    assert handle.pid == pid


async def test_a_flood_is_left_out_and_said(host):
    handle = await host.load("""
        def execute(text):
            for each in range(200):
                host.log.info("x" * 16_000)
            return text
    """)
    assert await handle.execute("x") == "x"
    assert len(host.messages()) < 150
    handle = await host.load(
        """
        import time
        def execute(text):
            for each in range(200):
                host.log.info("x" * 16_000)
            time.sleep(0.3)
            host.log.info("after")
            return text
    """,
        "other",
    )
    await handle.execute("x")
    texts = [text for _, text, _ in host.messages("other")]
    assert texts[-1] == "after"
    assert "messages left out" in texts[-2]


# -- the store


STORING = """
import json
def execute(text):
    name, *arguments = json.loads(text)
    return json.dumps(getattr(host.store, name)(*arguments))
"""


async def test_values_are_kept_by_key(host):
    handle = await host.load(STORING)

    async def do(*what):
        return json.loads(await handle.execute(json.dumps(what)))

    assert await do("get", "a") is None
    assert await do("get", "a", [1]) == [1]
    assert await do("keys") == []
    assert await do("delete", "a") is False
    assert await do("set", "a", {"ż": [None, 1.5, True]}) is None
    assert await do("get", "a") == {"ż": [None, 1.5, True]}
    await do("set", "b/1", "x")
    await do("set", "b/2", None)
    assert await do("keys") == ["a", "b/1", "b/2"]
    assert await do("keys", "b/") == ["b/1", "b/2"]
    assert await do("delete", "b/1") is True
    assert await do("get", "b/2", "default") is None
    with pytest.raises(PluginRaised, match="plugin-store-full"):
        await do("set", "big", "x" * (1 << 20))
    with pytest.raises(PluginRaised, match="plugin-store-full"):
        await do("set", "k" * 257, 1)
    assert await do("keys") == ["a", "b/2"]


async def test_what_is_kept_outlives_the_host_and_is_the_plugins_own(tmp_path):
    for expected in ("null", '"1"'):
        places = Places.under(tmp_path / "home", project=tmp_path)
        async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:
            host = Host(tmp_path, manager)
            handle = await host.load(STORING)
            assert await handle.execute('["get", "a"]') == expected
            await handle.execute('["set", "a", "1"]')
            other = await host.load(STORING, "other")
            assert await other.execute('["get", "a"]') == "null"


# -- other plugins

BACKWARDS = "def execute(text):\n    return text[::-1]\n"
CALLING = "def execute(text):\n    return host.call('other', text)\n"


async def test_a_plugin_calls_another_where_it_was_granted(permitted):
    await permitted.load(BACKWARDS, "other")
    handle = await permitted.load(CALLING, more=CALLS)
    assert await handle.execute("abc") == "cba"
    large = "x" * (3 << 20) + "y"
    assert await handle.execute(large) == large[::-1]


async def test_it_is_a_typed_error_where_it_was_not(host):
    await host.load(BACKWARDS, "other")
    handle = await host.load(CALLING, more=CALLS)
    with pytest.raises(PluginRaised, match=r"has no plugin:call=other \[permission-denied"):
        await handle.execute("abc")


async def test_a_grant_is_for_what_it_names(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(granting("plugin:call=other"), places=places, control=False) as manager:
        host = Host(tmp_path, manager)
        await host.load(BACKWARDS, "other")
        await host.load(BACKWARDS, "third")
        handle = await host.load("def execute(text):\n    return host.call(text, 'ab')\n", more=CALLS)
        assert await handle.execute("other") == "ba"
        with pytest.raises(PluginRaised, match="permission-denied"):
            await handle.execute("third")


async def test_functions_take_and_give_values(permitted):
    await permitted.load(
        "def execute(text):\n    return ''\ndef add(value):\n    return value['a'] + value['b']\n",
        "other",
        '[functions.add]\ndescription = "adds"\n',
    )
    handle = await permitted.load(
        "def execute(text):\n    return str(host.call('other', {'a': 1, 'b': 2}, 'add'))\n", more=CALLS
    )
    assert await handle.execute("") == "3"


async def test_what_the_other_raises_comes_back_with_its_code(permitted):
    await permitted.load("def execute(text):\n    raise ValueError('no ' + text)\n", "other")
    handle = await permitted.load(
        """
        def execute(text):
            try:
                return host.call("other", text)
            except host.HostError as error:
                return f"{error.code}|{error.args[0]}"
    """,
        more=CALLS,
    )
    assert await handle.execute("x") == "plugin-raised|ValueError: no x"
    await permitted.manager.unload("other")
    assert (await handle.execute("x")).startswith("plugin-not-loaded|")


async def test_plugins_that_take_one_call_at_a_time_never_wait_for_each_other(permitted):
    back = """
        def execute(text):
            try:
                return host.call("{}", text)
            except host.HostError as error:
                return error.code
    """
    await permitted.load(back.format("subject"), "other", CALLS)
    handle = await permitted.load(back.format("other"), more=CALLS)
    assert await handle.execute("x", timeout=60) == "call-cycle"
    alone = await permitted.load(back.format("alone"), "alone", CALLS)
    assert await alone.execute("x", timeout=60) == "call-cycle"
    # two that are called at once, each on its way to the other
    other = permitted.manager.handle("other")
    answers = await asyncio.gather(*(each.execute("x", timeout=60) for each in (handle, other) * 4))
    assert set(answers) == {"call-cycle"}


async def test_recursion_of_an_async_plugin_is_bounded(permitted):
    handle = await permitted.load(
        """
        async def execute(text):
            try:
                return await host.call("subject", str(int(text) + 1))
            except host.HostError as error:
                return f"{error.code} {text}"
    """,
        more=CALLS,
    )
    assert await handle.execute("0", timeout=60) == "call-cycle 16"


async def test_a_call_ends_with_the_call_that_made_it(permitted):
    await permitted.load("import time\ndef execute(text):\n    time.sleep(600)\n", "other")
    handle = await permitted.load(CALLING, more=CALLS)
    with pytest.raises(CallTimeout):
        await handle.execute("x", timeout=0.5)


# -- functions of the host


async def test_the_host_exposes_functions(host):
    async def slow(value):
        await asyncio.sleep(0)
        return {"was": value}

    host.manager.expose("double", lambda value: value * 2)
    host.manager.expose("slow", slow)
    handle = await host.load("""
        def execute(text):
            return str([host.host("double", 21), host.host("double", b"ab"), host.host("slow", None)])
    """)
    assert await handle.execute("") == "[42, b'abab', {'was': None}]"


async def test_what_an_exposed_function_raises_has_a_code(host):
    def own(value):
        raise DevKitError("not today", code="closed", hint="come back")

    host.manager.expose("own", own)
    host.manager.expose("broken", lambda value: 1 / 0)
    host.manager.expose("odd", lambda value: {1, 2})
    handle = await host.load("""
        def execute(text):
            try:
                return host.host(text)
            except host.HostError as error:
                return f"{error.code}|{error.args[0]}|{error.hint}"
    """)
    assert await handle.execute("own") == "closed|not today|come back"
    assert (await handle.execute("broken")).startswith(
        "host-function-failed|the host's function `broken` failed: ZeroDivisionError"
    )
    assert (await handle.execute("odd")).startswith("host-function-failed|")
    assert (await handle.execute("none")).startswith("host-function-missing|")


async def test_a_function_may_ask_for_a_permission(permitted):
    permitted.manager.expose("now", lambda value: 7, permission="clock")
    source = "def execute(text):\n    return str(host.host('now'))\n"
    without = await permitted.load(source)
    with pytest.raises(PluginRaised, match="permission-denied"):
        await without.execute("")
    asking = await permitted.load(source, "asking", '[permissions]\npermissions = ["clock"]\n')
    assert await asking.execute("") == "7"


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, 3])
async def test_a_name_that_is_none_is_refused(host, name):
    with pytest.raises(UsageError):
        host.manager.expose(name, len)


# -- settings

SETTINGS = """
[config.color]
type = "string"
default = "red"
"""


async def test_settings_are_there_and_live(host):
    handle = await host.load("def execute(text):\n    return host.config['color']\n", more=SETTINGS)
    pid = handle.pid
    assert await handle.execute("") == "red"
    await host.manager.configure("subject", {"color": "blue"})
    assert await handle.execute("") == "blue"
    assert handle.pid == pid


# -- ways to wait


async def test_an_async_plugin_awaits(permitted):
    permitted.manager.expose("echo", lambda value: value)
    await permitted.load(BACKWARDS, "other")
    handle = await permitted.load(
        """
        import asyncio
        def in_thread(text):
            return host.host("echo", text)
        async def execute(text):
            many = await asyncio.gather(*(host.host("echo", n) for n in range(200)))
            assert many == list(range(200))
            assert await asyncio.to_thread(in_thread, text) == text
            await host.store.set("k", text)
            return await host.call("other", await host.store.get("k"))
    """,
        more=CALLS,
    )
    assert await asyncio.gather(*(handle.execute("abc") for _ in range(5))) == ["cba"] * 5


async def test_threads_of_a_plain_plugin_ask_too(host):
    host.manager.expose("echo", lambda value: value)
    handle = await host.load("""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        async def inside():
            return await host.host("echo", "inside")
        def execute(text):
            with ThreadPoolExecutor(8) as pool:
                assert list(pool.map(lambda n: host.host("echo", n), range(200))) == list(range(200))
            assert asyncio.run(inside()) == "inside"
            return host.host("echo", text)
    """)
    assert await asyncio.gather(*(handle.execute(str(n)) for n in range(5))) == list("01234")


async def test_a_thread_that_outlives_its_call_asks_between_calls(host):
    asked = asyncio.Event()
    host.manager.expose("seen", lambda value: asked.set() if value == 20 else None)
    handle = await host.load("""
        import threading
        def go():
            for each in range(21):
                host.host("seen", each)
        def execute(text):
            threading.Thread(target=go).start()
            return text
    """)
    assert await handle.execute("x") == "x"
    async with asyncio.timeout(60):
        await asked.wait()
    assert await handle.execute("y") == "y"


async def test_a_plugin_may_ask_while_it_starts_and_stops(host):
    told = []
    host.manager.expose("tell", told.append)
    await host.load("""
        def initialize():
            host.host("tell", "started")
        def execute(text):
            return text
        def shutdown():
            host.host("tell", "stopped")
    """)
    await host.manager.unload("subject")
    assert told == ["started", "stopped"]


async def test_asking_while_the_file_is_read_is_a_typed_error(host):
    with pytest.raises(DevKitError, match="host-unavailable"):
        await host.load("host.store.get('x')\ndef execute(text):\n    return text\n")


async def test_a_script_asks_too(host):
    handle = await host.load("""
        import sys
        host.log.info("as a script")
        print(sys.argv[2], host.store.get("none", 5))
    """)
    assert await handle.execute("x") == "x 5"
    assert host.messages()[-1][1] == "as a script"


async def test_a_function_of_the_host_ends_with_the_worker(host):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(value):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    host.manager.expose("forever", forever)
    handle = await host.load("def execute(text):\n    host.host('forever')\n")
    call = asyncio.ensure_future(handle.execute("x"))
    async with asyncio.timeout(60):
        await begun.wait()
        await host.manager.unload("subject")
        await ended.wait()
    with pytest.raises(DevKitError):
        await call


async def test_a_cancelled_call_gives_up_what_it_asked(host):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(value):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    host.manager.expose("forever", forever)
    handle = await host.load("def execute(text):\n    return text or host.host('forever')\n")
    pid = handle.pid
    call = asyncio.ensure_future(handle.execute(""))
    async with asyncio.timeout(60):
        await begun.wait()
        call.cancel()
        await ended.wait()
    assert await handle.execute("x") == "x"
    assert handle.pid == pid


async def test_calls_that_are_given_up_at_once_are_answered_too(host):
    host.manager.expose("slow", lambda value: asyncio.Event().wait())
    host.manager.expose("quick", lambda value: value)
    handle = await host.load("""
        import json, os, struct

        def frame(kind, number, payload):
            return struct.pack(">IBBHI", 8 + len(payload), kind, 3, 0, number) + payload

        def execute(text):
            head = json.dumps({"name": "host.call", "function": "slow"}).encode()
            call = struct.pack(">H", len(head)) + head + b"1"
            for number in range(10_000, 10_300):
                os.write(3, frame(15, number, call) + frame(18, number, b""))
                if number % 20 == 0:
                    host.host("quick", number)
            return "still here"
        """)
    assert await handle.execute("x") == "still here"


@pytest.mark.parametrize("value", ["NaN", "[1e999]", '"\\xed\\xa0\\x80"'])
async def test_a_value_that_is_no_json_reaches_no_function(host, value):
    seen = []
    host.manager.expose("seen", seen.append)
    handle = await host.load(f"""
        def execute(text):
            refused = []
            for head in ({{"name": "host.call", "function": "seen"}}, {{"name": "store.set", "key": "k"}}):
                try:
                    host._ask(head, b'{value}', True)
                except host.HostError as error:
                    refused.append(error.code)
            return " ".join(refused)
        """)
    assert await handle.execute("x") == "host-call-invalid host-call-invalid"
    assert seen == []


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, StopIteration, RecursionError])
async def test_whatever_a_function_of_the_host_raises_ends_its_call_alone(host, kind):
    def raising(value):
        raise kind

    host.manager.expose("raising", raising)
    handle = await host.load("""
        def execute(text):
            try:
                return host.host("raising", text)
            except host.HostError as error:
                return error.code
        """)
    assert await handle.execute("x") == "host-function-failed"
