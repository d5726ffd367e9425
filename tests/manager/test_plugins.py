"""Plugins imported by name are run by the manager that is bound, in the tasks that are started there too."""

import asyncio

import pytest

from devkit_core import plugins
from devkit_core.errors import FunctionMissing, NotFound, SchemaMismatch, UsageError

SOURCE = """
def execute(text):
    return text.upper()

def add(value):
    return {"sum": sum(value["of"])}

globals()["import"] = lambda value: [value]
"""
MORE = """
[functions.add]
input = {type = "object", properties = {of = {type = "array"}}}

[functions.import]
"""


@pytest.fixture
async def manager(project):
    project.write("my-adder", SOURCE, more=MORE)
    async with project.manager() as manager:
        yield manager


async def test_functions_by_name(manager):
    from devkit_core.plugins import my_adder

    with plugins.bind(manager):
        assert await my_adder.add({"of": [1, 2]}) == {"sum": 3}
        assert await my_adder.execute("text") == "TEXT"
        assert await my_adder.import_("x", timeout=10) == ["x"]
        assert await my_adder.import_() == [None]
        tasks = [asyncio.create_task(my_adder.add({"of": [n]})) for n in range(3)]
    assert [each["sum"] for each in await asyncio.gather(*tasks)] == [0, 1, 2]


async def test_what_goes_wrong(manager):
    with plugins.bind(manager):
        with pytest.raises(SchemaMismatch):
            await plugins.my_adder.add([])
        with pytest.raises(FunctionMissing):
            await plugins.my_adder.absent()
        with pytest.raises(NotFound):
            await plugins.nowhere.execute("x")
    with pytest.raises(UsageError) as caught:
        await plugins.my_adder.execute("x")
    assert caught.value.code == "manager-unbound"


async def test_a_manager_of_its_own(manager):
    assert await plugins.Plugin("my-adder", manager).execute("x") == "X"


def test_names_that_are_no_plugins():
    assert repr(plugins.my_adder) == "<Plugin my-adder>"
    for name in ("_x", "__path__", "Upper"):
        with pytest.raises(AttributeError):
            getattr(plugins, name)
    with pytest.raises(AttributeError):
        _ = plugins.my_adder._private
