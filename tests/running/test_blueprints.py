"""What an instance is made from is read anew, within what the host allows."""

import pytest

from devkit_core.config.schema import PluginSystemConfig
from devkit_core.errors import DevKitError
from devkit_core.model.manifest import parse
from devkit_core.running.blueprints import times_of
from devkit_core.sandbox.plan import Limits

BASE = """
[metadata]
id = "one"
name = "One"
version = "1.0.0"
description = "d"
author = "a"
entry_point = "p.py"
"""


def manifest(more: str = ""):
    return parse((BASE + more).encode()).manifest


def test_times():
    config = PluginSystemConfig(execution_timeout=20, initialize_timeout=4, shutdown_timeout=2)
    lower = "init_timeout_seconds = 1\nexecution_timeout_seconds = 3\nshutdown_timeout_seconds = 0.5\n"
    times = times_of(manifest(f"[runtime.timeouts]\n{lower}"), config, Limits(call_seconds=3))
    assert (times.initialize, times.execute, times.shutdown) == (1, 3, 0.5)
    higher = "init_timeout_seconds = 99\nexecution_timeout_seconds = 99\nshutdown_timeout_seconds = 99\n"
    times = times_of(manifest(f"[runtime.timeouts]\n{higher}"), config, Limits(call_seconds=20))
    assert (times.initialize, times.execute, times.shutdown) == (4, 20, 2)


async def test_it_is_read_anew(pocket):
    folder = pocket.write()
    handle = await pocket.manager.load("one")
    (folder / "plugin.toml").write_text((folder / "plugin.toml").read_text().replace("1.0.0", "1.5.0"))
    await pocket.manager.reload("one")
    assert handle.version == "1.5.0"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda folder: (folder / "plugin.toml").unlink(), "manifest-missing"),
        (lambda folder: (folder / "plugin.pocket").unlink(), "entry-point-missing"),
        (
            lambda folder: (folder / "plugin.toml").write_text(
                (folder / "plugin.toml").read_text().replace('id = "one"', 'id = "other"')
            ),
            "plugin-changed",
        ),
    ],
)
async def test_what_became_of_a_folder(pocket, change, code):
    folder = pocket.write()
    handle = await pocket.manager.load("one")
    change(folder)
    with pytest.raises(DevKitError) as caught:
        await pocket.manager.reload("one")
    assert caught.value.code == code
    assert await handle.execute("on") == "first:on"
    assert [info.id for info in pocket.manager.list_plugins()] == ["one"]


async def test_the_loaders_own_confinement_is_asked(pocket):
    pocket.write()
    pocket.loader.confinement = "none"
    with pytest.raises(DevKitError) as caught:
        await pocket.manager.load("one")
    assert caught.value.code == "confinement-unavailable"
    assert pocket.loader.made == []
    pocket.loader.confinement = "runtime"
    await pocket.manager.load("one")
