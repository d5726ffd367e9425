"""A manager uses what extensions bring: loaders, sources, policies, call wrappers, listeners."""

import types
from pathlib import Path

import pytest

from devkit_core.api import Call, Fit, Loader, Result, Source, hookimpl
from devkit_core.errors import PluginRaised
from devkit_core.events.bus import EventKind
from devkit_core.hooks.extensions import Extensions


def with_python(*plugins: object) -> Extensions:
    from devkit_loader_python import hooks

    return Extensions.with_plugins([hooks, *plugins])


def extension(**functions) -> types.ModuleType:
    made = types.ModuleType("made_by_a_test")
    for name, function in functions.items():
        setattr(made, name, hookimpl(function))
    return made


async def test_sources_of_extensions(project, tmp_path):
    project.write("plain")
    elsewhere = tmp_path / "elsewhere"
    (project.root / "plugins" / "plain").rename(elsewhere)

    class One(Source):
        name = "one"

        def folders(self) -> list[Path]:
            return [elsewhere]

    extensions = with_python(extension(devkit_register_sources=lambda: [One()]))
    async with project.manager(extensions=extensions) as manager:
        assert (await manager.scan_and_load_plugins()).loaded == ("plain",)
        assert manager.get_plugin("plain").info.source == "one"


async def test_sources_given_by_the_program(project, tmp_path):
    project.write("plain")
    project.write("other")

    class Only(Source):
        name = "only"

        def folders(self) -> list[Path]:
            return [project.root / "plugins" / "other"]

    async with project.manager(sources=[Only()]) as manager:
        assert [found.id for found in manager.discover()] == ["other"]


async def test_a_loader_that_is_asked_first(project):
    from devkit_loader_python.loader import PythonLoader

    class Ours(PythonLoader):
        name = "ours"

        def probe(self, entry) -> Fit:
            return Fit.EXTENSION if entry.extension == ".py" else Fit.NO

    project.write("plain")
    extensions = with_python(extension(devkit_register_loaders=lambda: [Ours()]))
    async with project.manager(extensions=extensions, loader_order=("python",)) as manager:
        assert (await manager.load("plain")).info.kind == "python"
    extensions = with_python(extension(devkit_register_loaders=lambda: [Ours()]))
    async with project.manager(extensions=extensions) as manager:
        assert (await manager.load("plain")).info.kind == "ours"


async def test_a_broken_extension_is_skipped(project):
    def broken() -> list[Loader]:
        raise RuntimeError("no loaders today")

    project.write("plain")
    extensions = with_python(extension(devkit_register_loaders=broken))
    async with project.manager(extensions=extensions) as manager:
        assert (await manager.scan_and_load_plugins()).loaded == ("plain",)
        assert "no loaders today" in str(extensions.broken[0].error)


async def test_a_policy_takes_rights_away(project, tmp_path):
    secret = tmp_path / "shared"
    secret.mkdir()
    (secret / "file").write_text("the text")
    project.write(
        "reader",
        "def execute(path: str) -> str:\n    return open(path).read()\n",
        more=f'[permissions]\npermissions = ["filesystem:read={secret}"]\n',
    )
    asked = []

    def decide(request) -> bool | None:
        asked.append(str(request.permission))
        return False if refuse else None

    rights = (f"filesystem:read={secret}",)
    for refuse in (False, True):
        extensions = with_python(extension(devkit_decide_permission=decide))
        async with project.manager(extensions=extensions, default_permissions=rights) as manager:
            handle = await manager.load("reader")
            if refuse:
                with pytest.raises(PluginRaised):
                    await handle.execute(str(secret / "file"))
            else:
                assert await handle.execute(str(secret / "file")) == "the text"
    assert asked == [f"filesystem:read={secret}"] * 2


async def test_call_wrappers_nest_and_see_every_way_of_calling(project):
    async def outer(call: Call, proceed) -> Result:
        result = await proceed(Call(call.plugin, call.function, call.data + b"!", call.text, call.timeout))
        return Result(b"<" + result.data + b">", result.text)

    async def inner(call: Call, proceed) -> Result:
        seen.append((call.plugin, call.function, call.text))
        return await proceed(call)

    seen: list[tuple] = []
    project.write(
        "plain",
        "def execute(text: str) -> str:\n    return text\ndef twice(n):\n    return n\n",
        more='[functions.twice]\ndescription = "gives back"\n',
    )
    first, second = types.ModuleType("first"), types.ModuleType("second")
    first.devkit_call = hookimpl(outer, tryfirst=True)
    second.devkit_call = hookimpl(inner)
    async with project.manager(extensions=with_python(first, second)) as manager:
        handle = await manager.load("plain")
        assert await handle.execute("hi") == "<hi!>"
        assert [item async for item in handle.stream("hi")] == ["<hi!>"]
        with pytest.raises(Exception, match="JSON"):
            await handle.call("twice", "1")
    assert seen == [("plain", "execute", True)] * 2 + [("plain", "twice", True)]


async def test_a_wrapper_may_answer_or_refuse_by_itself(project):
    async def cached(call: Call, proceed) -> Result:
        if call.data == b"known":
            return Result(b"from the cache", True)
        if call.data == b"bad":
            raise PluginRaised("refused by the wrapper")
        return await proceed(call)

    project.write("plain")
    async with project.manager(extensions=with_python(extension(devkit_call=cached))) as manager:
        handle = await manager.load("plain")
        assert await handle.execute("known") == "from the cache"
        assert await handle.execute("other") == "other"
        with pytest.raises(PluginRaised, match="refused"):
            await handle.execute("bad")
        assert manager.stats("plain").calls == 1  # what reached the plugin


async def test_events_reach_extensions(project, caplog):
    heard = []

    def listen(event) -> None:
        heard.append(event)
        raise RuntimeError("a listener that fails")

    project.write("base")
    project.write("user", needs={"base": "*"})
    async with project.manager(extensions=with_python(extension(devkit_plugin_event=listen))) as manager:
        await manager.scan_and_load_plugins()
        await manager.unload("user")
    kinds = [event.kind for event in heard if event.plugin == "user"]
    assert kinds == [
        EventKind.PLUGIN_STATE_CHANGED,  # resolved
        EventKind.DEPENDENCY_RESOLVED,
        EventKind.PLUGIN_STATE_CHANGED,  # loading
        EventKind.PLUGIN_STATE_CHANGED,  # active
        EventKind.PLUGIN_HEALTH_CHANGED,
        EventKind.PLUGIN_LOADED,
        EventKind.PLUGIN_STATE_CHANGED,  # stopped
        EventKind.PLUGIN_HEALTH_CHANGED,
        EventKind.PLUGIN_UNLOADED,
    ]
    assert [event.sequence for event in heard] == list(range(1, len(heard) + 1))
    assert "a listener that fails" in caplog.text
