"""What a Python plugin may look like, run by the real worker."""

import asyncio
import textwrap

import pytest

from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError, FunctionMissing, LoadError, PluginRaised
from devkit_core.manager import PluginManager

MANIFEST = """
[metadata]
id = "subject"
name = "subject"
version = "1.0.0"
description = "made by a test"
author = "a test"
entry_point = "{entry}"
"""


@pytest.fixture
async def load(tmp_path):
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(PluginSystemConfig(), places=places, control=False) as manager:

        async def load(source, entry="plugin.py", more="", files=()):
            folder = tmp_path / "plugins" / "subject"
            folder.mkdir(parents=True)
            (folder / "plugin.toml").write_text(MANIFEST.format(entry=entry) + textwrap.dedent(more))
            (folder / entry).write_text(textwrap.dedent(source))
            for name, text in dict(files).items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(textwrap.dedent(text))
            handle = await manager.load("subject")
            handle.logs = lambda: [line.text for line in manager.logs.lines("subject")]
            return handle

        yield load


@pytest.mark.parametrize("annotation", ["bytes", "'bytes'", "bytearray", "memoryview"])
async def test_bytes_by_annotation(load, annotation):
    handle = await load(f"def execute(data: {annotation}):\n    return bytes(data)[::-1]\n")
    assert await handle.execute(b"\x00\xff\xfe") == b"\xfe\xff\x00"
    assert await handle.execute("ab") == b"ba"


async def test_bytes_with_postponed_annotations(load):
    handle = await load("""
        from __future__ import annotations
        def execute(data: bytes) -> bytes:
            return data
    """)
    assert await handle.execute(b"\xff") == b"\xff"


async def test_a_method_or_a_callable_object(load):
    handle = await load("""
        class Tool:
            def run(self, data: bytes) -> bytes:
                return data.upper()
        execute = Tool().run
    """)
    assert await handle.execute(b"x\xff") == b"X\xff"


async def test_generators_stream_and_join(load):
    handle = await load("""
        def execute(text: str):
            for n in range(int(text)):
                yield f"{n},"
    """)
    assert await handle.execute("4") == "0,1,2,3,"
    assert [item async for item in handle.stream("4")] == ["0,", "1,", "2,", "3,"]
    assert [item async for item in handle.stream("0")] == []
    assert await handle.execute("0") == ""


async def test_a_stream_that_is_not_read_holds_the_plugin_up(load):
    handle = await load("""
        import sys
        def execute(text: str):
            for n in range(1000):
                print("item", n)
                yield "y" * 65536
    """)
    stream = handle.stream("x", timeout=60)
    first = await anext(stream)
    assert len(first) == 65536
    await asyncio.sleep(0.3)
    made = len([line for line in handle.logs() if line.startswith("item")])
    assert 1 < made < 100
    await stream.aclose()
    assert [item async for item in handle.stream("x")] != []


async def test_large_items_and_a_stream_that_fails(load):
    handle = await load("""
        def execute(text: str):
            yield "a" * (3 << 20)
            yield ""
            raise ValueError("half way")
    """)
    got = []

    async def read():
        async for item in handle.stream("x"):
            got.append(len(item))

    with pytest.raises(PluginRaised, match="half way"):
        await read()
    assert got == [3 << 20, 0]


async def test_stream_of_a_plugin_that_does_not_stream(load):
    handle = await load("def execute(text: str) -> str:\n    return text * 2\n")
    assert [item async for item in handle.stream("ab")] == ["abab"]


async def test_async_functions_run_at_the_same_time(load):
    handle = await load("""
        import asyncio
        waiting = asyncio.Event()
        async def initialize():
            await asyncio.sleep(0)
        async def execute(text: str) -> str:
            if text == "wait":
                await waiting.wait()
                return "woken"
            waiting.set()
            return text
        async def shutdown():
            print("async goodbye")
    """)
    first = asyncio.ensure_future(handle.execute("wait", timeout=20))
    await asyncio.sleep(0.05)
    assert await handle.execute("go") == "go"
    assert await first == "woken"


async def test_async_calls_are_cancelled_and_live_on(load):
    handle = await load("""
        import asyncio, os
        async def execute(text: str) -> str:
            if text == "hang":
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    print("cancelled", flush=True)
                    raise
            return str(os.getpid())
    """)
    before = await handle.execute("pid")
    with pytest.raises(TimeoutError):
        await handle.execute("hang", timeout=0.1)
    assert await handle.execute("pid") == before
    await asyncio.sleep(0.1)
    assert "cancelled" in handle.logs()


async def test_async_generators(load):
    handle = await load("""
        import asyncio
        async def execute(text: str):
            for n in range(3):
                await asyncio.sleep(0)
                yield b"%d" % n
    """)
    assert [item async for item in handle.stream("x")] == [b"0", b"1", b"2"]
    assert await handle.execute("x") == b"012"


async def test_a_plain_function_that_returns_an_awaitable(load):
    handle = await load("""
        import asyncio
        async def later(text):
            await asyncio.sleep(0)
            return text + "!"
        def execute(text: str):
            return later(text)
    """)
    assert await handle.execute("x") == "x!"


SCRIPT = """
#!/usr/bin/env python3
import sys
print("noise", file=sys.stderr)
if sys.argv[1] == "execute":
    if sys.argv[2] == "fail":
        print("what failed", file=sys.stderr)
        sys.exit(3)
    print("got " + sys.argv[2])
"""


async def test_a_file_that_answers_on_its_command_line(load):
    handle = await load(SCRIPT)
    assert await handle.execute("this") == "got this"
    assert await handle.execute("żółw\n") == "got żółw\n"
    with pytest.raises(PluginRaised, match="exited with 3") as caught:
        await handle.execute("fail")
    assert "what failed" in caught.value.traceback
    assert await handle.execute("x" * 500_000) == "got " + "x" * 500_000


async def test_a_script_is_fresh_each_time_and_prints_by_any_means(load):
    handle = await load("""
        import os, sys
        def main():
            count = globals().get("count", 0) + 1
            if sys.argv[1:2] == ["execute"]:
                os.write(1, b"raw ")
                print(count, sys.argv[2])
        if __name__ == "__main__":
            main()
    """)
    assert await handle.execute("a") == "raw 1 a"
    assert await handle.execute("b") == "raw 1 b"


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nif sys.version_info:\n    def execute(text):\n        return 'found'\n",
        "def outer():\n    global execute\n    def execute(text):\n        return 'found'\n"
        "outer()\nexecute = execute\n",
        "from functools import partial\nexecute = partial(lambda word, text: word, 'found')\n",
        "from helper import *\n",
        "def __getattr__(name):\n    if name == 'execute':\n        return lambda text: 'found'\n"
        "    raise AttributeError(name)\n",
    ],
)
async def test_ways_to_have_execute(load, source):
    files = {"helper.py": "def execute(text):\n    return 'found'\n"}
    assert await (await load(source, files=files)).execute("x") == "found"


async def test_text_that_only_looks_like_execute(load):
    handle = await load('"""\ndef execute(text):\n    return text\n"""\nimport sys\nprint(sys.argv[1:])\n')
    assert await handle.execute("x") == "['execute', 'x']"


async def test_modules_beside_the_entry_point(load):
    handle = await load(
        """
        import plugin_parts.words as words, serve
        def execute(text: str) -> str:
            return words.join(text) + serve.MARK
        """,
        files={
            "plugin_parts/__init__.py": "",
            "plugin_parts/words.py": "def join(text):\n    return '-'.join(text)\n",
            # the same name as a module of the worker's own
            "serve.py": "MARK = '!'\n",
        },
    )
    assert await handle.execute("abc") == "a-b-c!"


async def test_functions_of_the_manifest(load):
    more = """
        [functions.add]
        description = "adds"
        [functions.fail]
    """
    handle = await load(
        """
        def execute(text: str) -> str:
            return text
        def add(value):
            return {"sum": sum(value["of"])}
        async def fail(value):
            raise KeyError(value)
        """,
        more=more,
    )
    assert await handle.call("add", '{"of":[1,2,3]}') == '{"sum":6}'
    assert await handle.call("execute", "x") == "x"
    with pytest.raises(PluginRaised):
        await handle.call("fail", '"k"')
    with pytest.raises(FunctionMissing):
        await handle.call("nothing", "{}")
    with pytest.raises(DevKitError) as caught:
        await handle.call("add", "{")
    assert caught.value.code == "input-not-json"


async def test_a_function_the_manifest_names_and_the_file_lacks(load):
    with pytest.raises(LoadError) as caught:
        await load("def execute(t): return t\n", more="[functions.absent]\n")
    assert caught.value.code == "entry-function-missing"
    assert "absent" in caught.value.message


async def test_prints_never_reach_an_answer(load):
    handle = await load("""
        import os, sys
        print("at import")
        def execute(text: str) -> str:
            print("during")
            os.write(1, b"raw\\n")
            os.write(2, b"err\\n")
            sys.stdout.write("no newline")
            return text
    """)
    assert await handle.execute("clean") == "clean"
    await asyncio.sleep(0.1)
    assert {"at import", "during", "raw", "err"} <= set(handle.logs())


async def test_a_worker_sees_nothing_of_the_host(load, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    handle = await load("""
        import os, sys
        def execute(text: str) -> str:
            fds = sorted(int(n) for n in range(0, 64) if _open(n))
            return repr((fds, sorted(os.environ), os.getcwd() == os.environ["TMPDIR"], "site" in sys.modules))
        def _open(n):
            try:
                os.fstat(n)
                return True
            except OSError:
                return False
    """)
    fds, names, at_home, site = eval(await handle.execute("x"))
    assert fds == [0, 1, 2, 3]
    assert set(names) <= {"HOME", "LANG", "PATH", "TMPDIR"}
    assert at_home
    assert not site


async def test_a_granted_working_folder_is_where_the_worker_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text("found")
    folder = tmp_path / "plugins" / "subject"
    folder.mkdir(parents=True)
    asks = '[permissions]\npermissions = ["filesystem:read"]\n'
    (folder / "plugin.toml").write_text(MANIFEST.format(entry="plugin.py") + asks)
    (folder / "plugin.py").write_text("def execute(path: str) -> str:\n    return open(path).read()\n")
    places = Places.under(tmp_path / "home", project=tmp_path)
    for granted in ((), ("filesystem:read",)):
        config = PluginSystemConfig(default_permissions=granted)
        async with PluginManager(config, places=places, control=False) as manager:
            handle = await manager.load("subject")
            if granted:
                assert await handle.execute("here.txt") == "found"
            else:
                with pytest.raises(PluginRaised):
                    await handle.execute("here.txt")
