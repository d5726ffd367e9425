"""A native plugin's own settings, in a worker and in the host's process."""

import pytest

from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import ConfigError, InitializeFailed, LoadError

from .test_program import minimal

CONFIG = """
[config.word]
type = "string"
description = "What it says"
default = "żółw"

[config.token]
type = "string"
description = "A secret"
secret = true
"""

#: remembers what it was given and what had happened by then; refuses what shouts
KEEPS = r"""
#include <string.h>
#include <stdio.h>
static char kept[256];
static int started, times;
static char *answer(void) { static char text[300]; sprintf(text, "%d %s", times, kept); return text; }
int configure(const char *json) {
    if (strchr(json, '!')) return 3;
    snprintf(kept, sizeof kept, "%s", json);
    times++;
    puts("configured");
    return 0;
}
"""
SAYS_WHY = 'const char *last_error(void) { return "please speak softly"; }\n'


@pytest.fixture(params=["worker", "trusted"])
def config(request, tmp_path):
    trusted = (str(tmp_path / "plugins" / "subject"),) if request.param == "trusted" else ()
    return PluginSystemConfig(trusted_plugins=trusted, initialize_timeout=20)


async def test_it_is_given_them_at_the_start_and_when_they_change(project, build):
    handle = await project.load(build(minimal("answer()", KEEPS)), CONFIG)
    assert await handle.execute("") == '1 {"word": "żółw"}'
    await project.manager.configure("subject", {"word": "a\0b", "token": "hush"})
    assert await handle.execute("") == '2 {"word": "a\\u0000b", "token": "hush"}'
    await project.manager.configure("subject", {"word": None, "token": None})
    assert await handle.execute("") == '3 {"word": "żółw"}'


@pytest.mark.parametrize(
    ("why", "more"), [("please speak softly", SAYS_WHY), ("configure returned 3", "")], ids=["told", "number"]
)
async def test_it_may_refuse_them(project, build, why, more):
    handle = await project.load(build(minimal("answer()", KEEPS) + more), CONFIG)
    with pytest.raises(ConfigError, match=why) as caught:
        await project.manager.configure("subject", {"word": "no!"})
    assert caught.value.code == "plugin-config-refused"
    assert await handle.execute("") == '1 {"word": "żółw"}'


async def test_one_that_refuses_them_at_the_start_is_not_loaded(project, build):
    with pytest.raises(InitializeFailed, match="please speak softly") as caught:
        await project.load(build(minimal("answer()", KEEPS) + SAYS_WHY), CONFIG.replace('"żółw"', '"no!"'))
    assert caught.value.code == "initialize-failed"
    assert project.manager.get_plugin("subject") is None


async def test_they_come_before_initialize(project, build):
    source = minimal("kept", KEEPS).replace("nothing(void) { return 0; }", "nothing(void) { return !times; }")
    handle = await project.load(build(source), CONFIG)
    assert await handle.execute("") == '{"word": "żółw"}'


async def test_without_configure_it_is_refused(project, build):
    with pytest.raises(LoadError) as caught:
        await project.load(build(minimal('"x"')), CONFIG)
    assert caught.value.code == "plugin-config-undeliverable"


async def test_a_configure_of_another_library_does_not_count(project, build):
    other = build(
        "int one;\nint configure(const char *json) { __builtin_trap(); }", "-Wl,-soname,libother.so"
    )
    source = minimal('one ? NULL : "fine"', "extern int one;")
    library = build(source, str(other), "-Wl,-rpath,$ORIGIN/deep")
    (project.folder / "deep").mkdir(parents=True)
    (project.folder / "deep" / "libother.so").write_bytes(other.read_bytes())
    with pytest.raises(LoadError) as caught:
        await project.load(library, CONFIG)
    assert caught.value.code == "plugin-config-undeliverable"


async def test_without_settings_configure_is_not_called(project, build):
    handle = await project.load(build(minimal("answer()", KEEPS)))
    assert await handle.execute("") == "0 "
