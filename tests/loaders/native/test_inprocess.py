"""Native plugins that the user trusts, in this very process."""

import os

import pytest

from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import (
    CallTimeout,
    ExecutionError,
    InitializeFailed,
    LoadError,
    PayloadTooLarge,
    PluginRaised,
)

from .test_program import SHOUT, minimal

HERE = """
#include <unistd.h>
#include <stdio.h>
static char text[32];
static char *pid(void) { sprintf(text, "%d", getpid()); return text; }
"""


@pytest.fixture
def config(tmp_path):
    folder = str(tmp_path / "plugins" / "subject")
    return PluginSystemConfig(max_payload_mb=1, trusted_plugins=(folder,), initialize_timeout=20)


async def test_it_runs_in_the_hosts_process(project, build):
    handle = await project.load(build(minimal("pid()", HERE)))
    assert handle.pid is None
    assert await handle.execute("") == str(os.getpid())


async def test_reload_runs_the_new_library(project, build):
    handle = await project.load(build(minimal('"old"')))
    assert await handle.execute("") == "old"
    project.write(build(minimal('"new"')))
    await project.manager.reload("subject")
    assert await handle.execute("") == "new"


async def test_answers_and_errors_are_those_of_a_worker(project, build):
    handle = await project.load(build("hostile.c"), SHOUT)
    assert await handle.execute("żółw") == "żółw"
    assert await handle.call("shout", '"x"') == '"x"!'
    assert await handle.execute("static") == "a string that nobody allocated"
    for input, code in [("null", "result-null"), ("latin", "result-not-text"), ("a\0b", "input-has-nul")]:
        with pytest.raises(ExecutionError) as caught:
            await handle.execute(input)
        assert caught.value.code == code
        assert caught.value.plugin == "subject"


async def test_last_error(project, build):
    handle = await project.load(build(minimal("NULL") + 'const char *last_error(void) { return "no luck"; }'))
    with pytest.raises(PluginRaised, match="no luck"):
        await handle.execute("")


async def test_a_result_over_the_limit(project, build):
    source = minimal("memset(calloc(1, 1100000), 'x', 1099999)", "#include <stdlib.h>\n#include <string.h>\n")
    handle = await project.load(build(source))
    with pytest.raises(PayloadTooLarge):
        await handle.execute("")


async def test_an_answer_after_the_deadline(project, build):
    handle = await project.load(build(minimal('(usleep(50000), "late")', "#include <unistd.h>\n")))
    with pytest.raises(CallTimeout) as caught:
        await handle.execute("", timeout=0.001)
    assert "trusted_plugins" in caught.value.hint
    assert await handle.execute("") == "late"


@pytest.mark.parametrize(
    ("library", "code"),
    [("int other;", "library-symbol-missing"), (minimal("nowhere()"), "library-unloadable")],
)
async def test_a_library_that_can_not_be_loaded(project, build, library, code):
    with pytest.raises(LoadError) as caught:
        await project.load(build(library))
    assert caught.value.code == code


async def test_an_initialize_that_fails(project, build):
    source = minimal('""').replace("version, nothing,", "version, fails,", 1)
    source = source.replace("static int nothing", "static int fails(void) { return 4; }\nstatic int nothing")
    with pytest.raises(InitializeFailed, match="it returned 4"):
        await project.load(build(source))


@pytest.mark.parametrize("trusted", ["subject", "/somewhere/else/subject", "other"])
async def test_a_projects_plugin_is_not_trusted_by_its_id(tmp_path, build, trusted):
    """A clone may bring a plugin of an id that the user trusts elsewhere."""
    from devkit_core.config.places import Places
    from devkit_core.manager import PluginManager

    from .conftest import Project

    config = PluginSystemConfig(trusted_plugins=(trusted,))
    places = Places.under(tmp_path / "home", project=tmp_path)
    async with PluginManager(config, places=places, control=False) as manager:
        handle = await Project(tmp_path, manager).load(build(minimal("pid()", HERE)))
        assert await handle.execute("") == str(handle.pid) != str(os.getpid())


async def test_a_users_plugin_is_trusted_by_its_id(tmp_path, build):
    from devkit_core.config.places import Places
    from devkit_core.manager import PluginManager

    from .conftest import Project

    places = Places.under(tmp_path / "home", project=tmp_path / "project")
    config = PluginSystemConfig(trusted_plugins=("subject",))
    async with PluginManager(config, places=places, control=False) as manager:
        handle = await Project(places.data, manager).load(build(minimal("pid()", HERE)))
        assert await handle.execute("") == str(os.getpid())
