"""Each hook has an example in its docstring and in the reference, and the example runs."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

from devkit_core import api
from devkit_core.events.bus import EventKind, PluginEvent
from devkit_core.hooks import specs
from devkit_core.hooks.extensions import Extensions
from devkit_core.loading.call import Call, Result
from devkit_core.model.permissions import PermissionRequest, parse_permission

PAGE = Path(__file__).parents[2] / "docs/reference/hooks.md"
HOOKS = {name: hook for name, hook in vars(specs).items() if name.startswith("devkit_")}


class LuaLoader(api.Loader):
    name = "lua"

    async def start(self, request):
        raise NotImplementedError


class TeamFolder(api.Source):
    name = "team"

    def folders(self):
        return []


def example(name: str) -> str:
    documentation = inspect.getdoc(HOOKS[name]) or ""
    return textwrap.dedent(documentation.partition("Example::\n")[2]).strip()


def ask_policy(extensions):
    decide = extensions.policy()
    asked = [
        PermissionRequest("p", parse_permission(text), True) for text in ("network:http", "filesystem:read")
    ]
    return [decide(each) for each in asked]


def call(extensions):
    async def proceed(call):
        return Result(call.data.upper(), True)

    (wrapper,) = extensions.call_wrappers()
    return asyncio.run(wrapper(Call("p", "execute", b"hello", True, None), proceed)).value


#: what each example does, seen from where its hook is called
SEEN = {
    "devkit_register_loaders": (lambda e: [each.name for each in e.loaders()], ["lua"]),
    "devkit_register_commands": (lambda e: [each.name for each in e.commands()], ["hello"]),
    "devkit_register_sources": (lambda e: [each.name for each in e.sources()], ["team"]),
    "devkit_register_runtimes": (lambda e: e.runtimes(), {"lua-runtime": "5.4.6"}),
    "devkit_register_checks": (lambda e: e.checks()[0].run()[0].message, "Lua 5.4.6"),
    "devkit_decide_permission": (ask_policy, [False, None]),
    "devkit_call": (call, "HELLO"),
    "devkit_plugin_event": (lambda e: e.listener()(PluginEvent(EventKind.PLUGIN_LOADED, "p")), None),
}
PRINTED = {
    "devkit_call": "p answered 5 bytes\n",
    "devkit_plugin_event": "plugin-loaded p\n",
}


def test_the_table_has_every_hook():
    assert SEEN.keys() == HOOKS.keys()


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_runs(name, monkeypatch, plugin, capsys):
    for module, names in {
        "my_loader.loader": {"LuaLoader": LuaLoader},
        "my_extension.team": {"TeamFolder": TeamFolder},
    }.items():
        made = types.ModuleType(module)
        vars(made).update(names)
        monkeypatch.setitem(sys.modules, module.split(".")[0], types.ModuleType(module.split(".")[0]))
        monkeypatch.setitem(sys.modules, module, made)
    extensions = Extensions.with_plugins([plugin(example(name))])
    use, seen = SEEN[name]
    assert use(extensions) == seen
    assert extensions.broken == []
    assert capsys.readouterr().out == PRINTED.get(name, "")


@pytest.mark.parametrize("name", HOOKS)
def test_the_docstring_says_what_and_when(name):
    documentation = inspect.getdoc(HOOKS[name]) or ""
    first, _, rest = documentation.partition("\n")
    assert first.endswith(".")
    assert re.search(r"^Called ", rest, re.MULTILINE), name
    signature = inspect.signature(HOOKS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())


@pytest.mark.parametrize("name", HOOKS)
def test_the_reference_shows_the_same_example(name):
    text = PAGE.read_text()
    section = text.partition(f"## `{name}`\n")[2].partition("\n## ")[0]
    assert f"```python\n{example(name)}\n```" in section
    assert len(re.findall(r"^## `devkit_", text, re.MULTILINE)) == len(HOOKS)
