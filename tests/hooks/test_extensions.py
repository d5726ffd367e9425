"""Extensions: a broken one is recorded and skipped, and harms no other."""

from __future__ import annotations

import asyncio
import logging

import pytest

from devkit_core.events.bus import EventKind, PluginEvent
from devkit_core.hooks.entrypoints import EXTENSIONS, LOADERS, EntryPoint
from devkit_core.hooks.extensions import Extensions
from devkit_core.loading.call import Call, Result
from devkit_core.model.permissions import PermissionRequest, parse_permission

GOOD = """
@hookimpl
def devkit_register_commands():
    return [CommandSpec("good", "m:f", "Is good.")]
"""
REQUEST = PermissionRequest("p", parse_permission("network:http"), True)


def given(*points: EntryPoint, **more) -> Extensions:
    return Extensions(find=lambda: points, **more)


def codes(extensions: Extensions) -> list[tuple[str, str]]:
    return [(each.name, each.error.code) for each in extensions.broken]


COMMAND = "@hookimpl\ndef devkit_register_commands(): return [CommandSpec({})]"
BROKEN = {
    "raise RuntimeError('at import')": "extension-broken",
    "import sys; sys.exit(3)": "extension-broken",
    "import a_package_that_is_not_there": "extension-broken",
    "def broken(:": "extension-broken",
    "class E(Exception):\n    def __str__(self): raise ValueError\nraise E": "extension-broken",
    "@hookimpl\ndef devkit_register_commands(surplus): return []": "extension-hook-invalid",
    "@hookimpl\nasync def devkit_register_commands(): return []": "extension-hook-invalid",
    "@hookimpl\ndef devkit_call(call, proceed): return None": "extension-hook-invalid",
    "@hookimpl(wrapper=True)\ndef devkit_register_commands(): yield": "extension-hook-invalid",
    "@hookimpl\ndef devkit_regster_commands(): return []": "extension-hook-invalid",
    "@hookimpl\ndef devkit_register_commands(): raise RuntimeError('later')": "extension-hook-failed",
    "@hookimpl\ndef devkit_register_commands(): raise SystemExit": "extension-hook-failed",
    "@hookimpl\ndef devkit_register_commands():\n    yield 1 / 0": "extension-hook-failed",
    "@hookimpl\ndef devkit_register_commands(): return 3": "extension-hook-failed",
    "@hookimpl\ndef devkit_register_commands(): return ['x']": "extension-result-invalid",
    COMMAND.format("'A b c', 'm:f', 'x'"): "extension-result-invalid",
    COMMAND.format("'a', 'm', 'x'"): "extension-result-invalid",
    COMMAND.format("'a', 'm:f', 'x\\ny'"): "extension-result-invalid",
    COMMAND.format("None, 'm:f', 'x'"): "extension-result-invalid",
}


@pytest.mark.parametrize("source", BROKEN)
def test_a_broken_extension_is_recorded_and_skipped(module, source):
    extensions = given(module("a-bad", source), module("good", GOOD), module("z-bad", source))
    assert [each.name for each in extensions.commands()] == ["good"]
    assert codes(extensions) == [("a-bad", BROKEN[source]), ("z-bad", BROKEN[source])]
    record = extensions.broken[0]
    assert record.distribution == "dist-a-bad"
    assert record.error.hint == "Mend or uninstall it, or: devkit config set --add disabled_extensions a-bad"
    assert [each.name for each in extensions.records if each.error is None] == ["good"]
    extensions.commands()
    assert len(extensions.broken) == 2, "the same finding is kept once"


def test_the_place_in_the_extension_is_named(module):
    extensions = given(module("bad", "\n\nraise RuntimeError('here')"), module("syntax", "\ndef f(:"))
    extensions.load()
    assert [(each.error.place.line, each.error.place.path.endswith(".py")) for each in extensions.broken] == [
        (4, True), (3, True),
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["no_such_module", "json:no_such_name", ":", "", "json:dumps.x"])
def test_an_entry_point_that_names_nothing(value):
    extensions = given(EntryPoint(EXTENSIONS, "bad", "d", "1", value))
    assert extensions.commands() == []
    assert codes(extensions) == [("bad", "extension-broken")]


def test_metadata_that_can_not_be_read_is_recorded():
    extensions = given(EntryPoint(EXTENSIONS, "bad", "d", "1", "", "its metadata can't be read"))
    extensions.load()
    assert codes(extensions) == [("bad", "extension-broken")]


def test_disabled_ones_are_never_imported(module):
    bad = module("my-ext", "raise RuntimeError")
    for name in ("my-ext", "My_Ext", "dist-my-ext", "DIST.MY.EXT"):
        extensions = given(bad, module("good", GOOD), disabled=[name])
        assert [each.name for each in extensions.commands()] == ["good"]
        assert extensions.broken == []
        assert [each.name for each in extensions.records if each.disabled] == ["my-ext"]


def test_a_group_is_imported_when_it_is_asked_for(module):
    extensions = given(module("loader", "raise RuntimeError", LOADERS), module("good", GOOD))
    extensions.commands()
    extensions.sources()
    assert extensions.broken == []
    extensions.loaders()
    assert codes(extensions) == [("loader", "extension-broken")]


def test_one_module_in_both_groups_is_asked_once(module):
    point = module("both", "@hookimpl\ndef devkit_register_checks(): return [Check('x', list)]", LOADERS)
    other = EntryPoint(EXTENSIONS, "both", point.distribution, "1.0", point.value)
    assert len(given(point, other).checks()) == 1


def test_two_entry_points_of_one_name(module):
    second = EntryPoint(EXTENSIONS, "good", "other-dist", "1", module("x", "raise RuntimeError").value)
    extensions = given(module("good", GOOD), second)
    assert len(extensions.commands()) == 1
    assert codes(extensions) == [("good", "extension-duplicate")]


LOADER = """
class L(Loader):
    name = {name!r}
    async def start(self, request): ...
@hookimpl
def devkit_register_loaders():
    return [L()]
"""


def test_loaders_have_one_name_each(module):
    names = {"a": "lua", "b": "lua", "c": "", "d": "UP", "e": 3, "f": "ada"}
    extensions = given(*(module(key, LOADER.format(name=name), LOADERS) for key, name in names.items()))
    assert [each.name for each in extensions.loaders()] == ["ada", "lua"]
    assert codes(extensions) == [
        ("b", "extension-duplicate"), ("c", "extension-result-invalid"), ("d", "extension-result-invalid"),
        ("e", "extension-result-invalid"),
    ]  # fmt: skip
    assert extensions.loaders()[0] is extensions.loaders()[0]


SOURCE = """
class S(Source):
    name = {name!r}
    rank = {rank!r}
    def folders(self): return []
@hookimpl
def devkit_register_sources():
    return [S()]
"""


def test_sources_have_one_name_each_and_none_of_the_cores(module):
    given_ = {
        "a": ("team", 500),
        "b": ("team", 1),
        "c": ("user", 1),
        "d": ("path-2", 1),
        "e": ("x", "1"),
        "f": ("", 1),
    }
    extensions = given(*(module(key, SOURCE.format(name=n, rank=r)) for key, (n, r) in given_.items()))
    assert [(each.name, each.rank) for each in extensions.sources()] == [("team", 500)]
    assert [name for name, _ in codes(extensions)] == ["b", "c", "d", "e", "f"]


def test_runtimes_have_names_and_versions(module):
    sources = {
        "a": "return {'lua-runtime': '5.4.6', 'x y': '1', 3: '1'}",
        "b": "return {'lua-runtime': '5.1'}",
        "c": "return {'c-runtime': 'latest'}",
        "d": "return ['d-runtime']",
        "e": "return {'e-runtime': 1.0}",
    }
    points = [
        module(key, f"@hookimpl\ndef devkit_register_runtimes(): {text}") for key, text in sources.items()
    ]
    extensions = given(*points)
    assert extensions.runtimes() == {"lua-runtime": "5.4.6"}
    assert [name for name, _ in codes(extensions)] == ["a", "a", "b", "c", "d", "e"]


def test_checks_need_a_name_and_a_function(plugin):
    text = (
        "@hookimpl\ndef devkit_register_checks(): return [Check('', list), Check('x', 3), Check('y', list)]"
    )
    extensions = Extensions.with_plugins([plugin(text)])
    assert [each.name for each in extensions.checks()] == ["y"]
    assert len(extensions.broken) == 1


WRAPPER = """
@hookimpl{options}
async def devkit_call({arguments}):
    result = await proceed(call)
    return Result({name!r}.encode() + result.data, True)
"""


def wrapped(extensions: Extensions) -> bytes:
    async def innermost(call: Call) -> Result:
        return Result(call.data, True)

    def around(wrapper, inner):
        return lambda call: wrapper(call, inner)

    step = innermost
    for each in reversed(extensions.call_wrappers()):
        step = around(each, step)
    return asyncio.run(step(Call("p", "execute", b"!", True, None))).data


def test_wrappers_come_outermost_first_whatever_order_they_were_given_in(plugin):
    texts = {
        "last": WRAPPER.format(name="l", options="(trylast=True)", arguments="call, proceed"),
        "second": WRAPPER.format(name="2", options="", arguments="proceed, call"),
        "alpha": WRAPPER.format(name="1", options="", arguments="call, proceed"),
        "first": WRAPPER.format(name="f", options="(tryfirst=True)", arguments="call, proceed"),
    }
    plugins = [plugin(text, name) for name, text in texts.items()]
    assert wrapped(Extensions.with_plugins(plugins)) == b"f12l!"
    assert wrapped(Extensions.with_plugins(reversed(plugins))) == b"f12l!"


def test_where_nothing_is_implemented_there_is_nothing_to_call():
    extensions = Extensions.with_plugins([])
    assert (extensions.call_wrappers(), extensions.policy(), extensions.listener()) == ([], None, None)
    assert (extensions.loaders(), extensions.sources(), extensions.commands()) == ([], [], [])
    assert (extensions.runtimes(), extensions.checks(), extensions.broken) == ({}, [], [])


def policy(text: str) -> str:
    return f"@hookimpl\ndef devkit_decide_permission({text}"


def test_the_first_policy_that_decides_stands(plugin):
    texts = {
        "a": policy("request): return None"),
        "b": policy("): return False"),
        "c": policy("): return True"),
    }
    plugins = [plugin(text, name) for name, text in texts.items()]
    assert Extensions.with_plugins(plugins).policy()(REQUEST) is False
    assert Extensions.with_plugins(plugins[:1]).policy()(REQUEST) is None


@pytest.mark.parametrize(
    "text", ["): raise RuntimeError", "): raise SystemExit", "): return 1", "): return 'yes'"]
)
def test_a_policy_that_fails_denies(plugin, text):
    extensions = Extensions.with_plugins([plugin(policy(text), "a"), plugin(policy("): return True"), "b")])
    assert extensions.policy()(REQUEST) is False
    assert [each.name for each in extensions.broken] == ["a"]


def test_a_listener_that_raises_harms_no_other(plugin, caplog):
    text = "heard = []\n@hookimpl\ndef devkit_plugin_event(event): heard.append(event.plugin)"
    good = plugin(text, "b")
    bad = plugin("@hookimpl\ndef devkit_plugin_event(): raise RuntimeError('deaf')", "a")
    extensions = Extensions.with_plugins([bad, good])
    with caplog.at_level(logging.WARNING, "devkit.extensions"):
        extensions.listener()(PluginEvent(EventKind.PLUGIN_LOADED, "p"))
    assert good.heard == ["p"]
    assert [each.error.code for each in extensions.broken] == ["extension-hook-failed"]
    assert "deaf" in caplog.text


def test_a_hook_of_a_newer_devkit_may_be_optional(plugin):
    text = f"{GOOD}\n@hookimpl(optionalhook=True)\ndef devkit_of_tomorrow(): ..."
    assert Extensions.with_plugins([plugin(text)]).broken == []


def test_an_unknown_hook_is_said_and_the_others_work(plugin):
    extensions = Extensions.with_plugins([plugin(f"{GOOD}\n@hookimpl\ndef devkit_of_tomorrow(): ...")])
    assert len(extensions.commands()) == 1
    assert "devkit_of_tomorrow" in extensions.broken[0].error.message


def test_the_fingerprint_tells_sets_apart(module):
    first, second = module("a", "raise RuntimeError"), module("b", GOOD)
    prints = {given().fingerprint(), given(first).fingerprint(), given(first, second).fingerprint()}
    prints |= {given(first, disabled=["a"]).fingerprint()}
    assert len(prints) == 4


def test_a_plugin_whose_attributes_raise():
    class Odd:
        @property
        def anything(self):
            raise RuntimeError

        def __getattr__(self, name):
            raise RuntimeError(name)

    extensions = Extensions.with_plugins([Odd()])
    assert extensions.commands() == []
