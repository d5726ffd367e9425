"""A host that has run out of something fails loads with a typed error, leaks nothing and recovers."""

import os
import resource

import pytest

from devkit_core.errors import LoadError

ECHO = "def execute(text: str) -> str:\n    return text\n"


async def test_no_more_open_files(project):
    loaded = await project.load(ECHO, "loaded")
    project.write(ECHO)
    project.manager.discover()
    before = len(os.listdir("/proc/self/fd"))
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = set(map(int, os.listdir("/proc/self/fd")))
    free = [number for number in range(old[0]) if number not in taken]
    codes = set()
    for more in range(1, 6):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[more], old[1]))
        try:
            with pytest.raises(LoadError) as caught:
                await project.manager.load("subject")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, old)
        codes.add(caught.value.code)
        assert await loaded.execute("on") == "on"
    assert codes == {"worker-start"}
    assert len(os.listdir("/proc/self/fd")) <= before
    assert await (await project.manager.load("subject")).execute("now") == "now"
