"""What libraries ask of their host and tell it."""

import asyncio

import pytest

from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import CallTimeout

from .test_program import minimal

#: calls the host by the first line of the input, with the rest of it; an error is answered behind a `!`
ASKS = """
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
typedef struct {
    size_t size;
    void (*log)(int, const char *);
    int (*event)(const char *, const char *);
    int (*progress)(double, double, const char *);
    char *(*call)(const char *, const char *, size_t, size_t *);
    void (*release)(char *);
} PluginHost;
static const PluginHost *host;
void devkit_set_host(const PluginHost *given) { host = given; }
static char answer[4096];
static char *ask(const char *input)
{
    char what[256];
    const char *end = strchr(input, 10);
    memcpy(what, input, end - input);
    what[end - input] = 0;
    if (!strcmp(what, "tell")) {
        host->log(2, "told");
        int wrong = host->event("No Name", "{}");
        int right = !host->event("done", "{\\"n\\":1}") && !host->progress(1, 4, "half");
        strcpy(answer, wrong && right ? "yes" : "no");
        return answer;
    }
    size_t size = 0;
    char *got = host->call(what, end + 1, strlen(end + 1), &size);
    answer[0] = '!';
    strcpy(answer + (size == (size_t)-1), got);
    host->release(got);
    return answer;
}
"""


@pytest.fixture
def config():
    return PluginSystemConfig(initialize_timeout=60)


@pytest.fixture
def library(build):
    return build(minimal("ask(input)", ASKS))


async def test_values_functions_and_errors(project, library):
    handle = await project.load(library)
    project.manager.expose("twice", lambda value: value * 2)
    for asked, answer in {
        "store.set a key\n7": "",
        "store.get a key\n": "7",
        "store.keys a\n": '["a key"]',
        "host.call twice\n21": "42",
        "host.bytes twice\nab": "abab",
        "config\n": "{}",
        "nope\n": "!host-call-unknown: this host knows no call 'nope'",
    }.items():
        assert await handle.execute(asked) == answer
    assert (await handle.execute("plugin.call other\n")).startswith("!permission-denied: ")


async def test_lines_events_and_progress(project, library):
    seen = []
    project.manager.listen(seen.append, kinds=["plugin-event", "plugin-progress"])
    handle = await project.load(library)
    assert await handle.execute("tell\n") == "yes"
    assert [each.data for each in seen] == [
        {"name": "done", "data": {"n": 1}},
        {"done": 1.0, "total": 4.0, "message": "half"},
    ]
    assert "told" in project.logged()


async def test_a_call_to_the_host_ends_with_the_one_that_made_it(project, library):
    handle = await project.load(library)
    ended = asyncio.Event()

    async def endless(value):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    project.manager.expose("endless", endless)
    with pytest.raises(CallTimeout):
        await handle.execute("host.call endless\n", timeout=0.5)
    await asyncio.wait_for(ended.wait(), 60)
    assert await handle.execute("store.keys\n", timeout=60) == "[]"
