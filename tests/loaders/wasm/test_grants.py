"""What a grant opens: folders, variables; without one nothing is there."""

import asyncio

import pytest

from devkit_core.errors import ExecutionError


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "note.txt").write_text("a note")
    (tmp_path / "secret.txt").write_text("a secret")
    (folder / "link").symlink_to(tmp_path / "secret.txt")
    return folder


async def test_a_granted_folder_is_read_but_not_written(start, data):
    _, handle = await start(f"filesystem:read={data}")
    assert await handle.execute("read note.txt") == "a note"
    for verb in ("read ../secret.txt", "read link", "write note.txt", "write new.txt"):
        with pytest.raises(ExecutionError):
            await handle.execute(verb)
    assert sorted(path.name for path in data.iterdir()) == ["link", "note.txt"]


async def test_a_folder_with_both_rights_is_written(start, data):
    _, handle = await start(f"filesystem:read={data}", f"filesystem:write={data}")
    assert await handle.execute("write new.txt") == "written"
    assert (data / "new.txt").read_text() == "x"
    with pytest.raises(ExecutionError):
        await handle.execute("write ../new.txt")


@pytest.mark.parametrize("right", ["filesystem:write={}", "filesystem:read={}/note.txt"])
async def test_what_the_runtime_cannot_tell_apart_is_not_given_and_said(start, data, right):
    manager, handle = await start(right.format(data))
    with pytest.raises(ExecutionError):
        await handle.execute("read note.txt")
    await asyncio.sleep(0.02)
    assert any("this runtime" in line.text for line in manager.logs.lines("conformance"))


async def test_a_granted_variable_is_there_and_no_other(start, monkeypatch):
    monkeypatch.setenv("GIVEN", "yes")
    monkeypatch.setenv("KEPT", "no")
    _, handle = await start("environment:read=GIVEN", more='[runtime.env]\nOWN = "its own"\n')
    assert [await handle.execute(f"env {name}") for name in ("GIVEN", "KEPT", "OWN", "PATH", "HOME")] == [
        "yes",
        "",
        "its own",
        "",
        "",
    ]


async def test_a_right_that_webassembly_has_no_call_for_is_said(start):
    manager, handle = await start("network:https", "process:spawn")
    assert await handle.execute("echo on") == "on"
    await asyncio.sleep(0.02)
    said = [line.text for line in manager.logs.lines("conformance")]
    assert [line.split()[0] for line in said] == ["[network:https", "[process:spawn"]
