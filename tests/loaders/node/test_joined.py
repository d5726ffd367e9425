"""The worker's files as one."""

import pytest

from devkit_core.errors import PluginRaised
from devkit_loader_node.joined import WORKER, joined


def test_it_is_made_once_and_made_anew_where_it_was_changed(tmp_path):
    cache = tmp_path / "node"
    made = joined(cache)
    text = made.read_text()
    facts = made.stat()
    assert joined(cache) == made
    assert made.stat().st_mtime_ns == facts.st_mtime_ns
    made.write_text("process.exit(9)")
    assert joined(cache) == made
    assert made.read_text() == text
    made.unlink()
    assert joined(cache).read_text() == text
    assert [path.name for path in cache.iterdir()] == [made.name]


def test_all_that_the_worker_requires_is_in_it(tmp_path):
    text = joined(tmp_path).read_text()
    for file in WORKER.glob("*.cjs"):
        assert (file.read_text() in text) is (file.name not in ("check.cjs", "preload.cjs"))


def test_where_nothing_can_be_kept_it_is_the_files(tmp_path):
    (tmp_path / "node").write_text("a file where the folder should be")
    assert joined(tmp_path / "node") == WORKER / "worker.cjs"


async def test_its_own_frames_are_in_no_traceback(bench):
    handle = await bench.js("exports.execute = () => { throw new Error('mine') }")
    with pytest.raises(PluginRaised) as caught:
        await handle.execute("x")
    assert "plugin.js" in caught.value.traceback
    assert "worker" not in caught.value.traceback
