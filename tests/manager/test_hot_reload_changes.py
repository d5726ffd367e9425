"""Every way to change files is seen, and what changes nothing reloads nothing."""

import asyncio
import os
import shutil

import pytest

from devkit_core.events.bus import EventKind

pytest.importorskip("watchfiles", reason='watchfiles is not installed (pip install "devkit-core[reload]")')

SAYS = """
def execute(text: str) -> str:
    return "{0}"
"""


@pytest.mark.parametrize("how", ["touch", "same bytes", "replaced by the same", "ignored"])
async def test_what_changes_nothing_reloads_nothing(changing, how):
    folder = changing.project.root / "plugins" / "plain"
    file = folder / "plugin.py"
    if how == "touch":
        file.touch()
    elif how == "same bytes":
        file.write_bytes(file.read_bytes())
    elif how == "replaced by the same":
        (folder / "new").write_bytes(file.read_bytes())
        os.replace(folder / "new", file)
    else:
        for name in ("x.tmp", ".plugin.py.swp", "plugin.py~"):
            (folder / name).write_text("noise")
        for name in (".git", "__pycache__", "node_modules", "target"):
            (folder / name).mkdir()
            (folder / name / "file.py").write_text("noise")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.7):
            await changing.until(EventKind.FILE_CHANGED)
    assert changing.manager.stats("plain").reloads == 0


@pytest.mark.parametrize("how", ["atomic", "renamed", "deleted and written", "another file", "in a folder"])
async def test_ways_to_change(changing, how):
    folder = changing.project.root / "plugins" / "plain"
    file = folder / "plugin.py"
    new = SAYS.format("two")
    if how == "atomic":
        (folder / ".plugin.py.tmp").write_text(new)
        os.replace(folder / ".plugin.py.tmp", file)
    elif how == "renamed":
        file.rename(folder / "old.py")
        file.write_text(new)
    elif how == "deleted and written":
        file.unlink()
        await asyncio.sleep(0.01)
        file.write_text(new)
    else:
        name = "words" if how == "another file" else "pack"
        file.write_text(f"from {name} import word\n\ndef execute(text):\n    return word\n")
        if how == "in a folder":
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text("word = 'two'\n")
        else:
            (folder / f"{name}.py").write_text("word = 'two'\n")
    await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await changing.manager.execute("plain") == "two"


async def test_the_whole_folder_is_replaced(changing):
    folder = changing.project.root / "plugins" / "plain"
    for word in ("two", "three"):
        shutil.copytree(folder, folder.with_name(".next"))
        (folder.with_name(".next") / "plugin.py").write_text(SAYS.format(word))
        folder.rename(folder.with_name(f".old-{word}"))
        folder.with_name(".next").rename(folder)
        await changing.until(EventKind.RELOAD_SUCCEEDED)
        assert await changing.manager.execute("plain") == word
    changing.write(SAYS.format("four"))  # the new folder is watched, not the one that was moved away
    await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await changing.manager.execute("plain") == "four"


async def test_the_folder_goes_and_comes_back(changing):
    folder = changing.project.root / "plugins" / "plain"
    folder.rename(changing.project.root / "away")
    failed = await changing.until(EventKind.RELOAD_FAILED)
    assert failed.data["code"] == "manifest-missing"
    assert await changing.manager.execute("plain") == "one"
    (changing.project.root / "away").rename(folder)
    changing.write(SAYS.format("back"))
    await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await changing.manager.execute("plain") == "back"


async def test_a_link_that_is_pointed_elsewhere(project, watching, tmp_path):
    for version in ("one", "two"):
        project.write("plain", SAYS.format(version))
        (project.root / "plugins" / "plain").rename(tmp_path / version)
    link = project.root / "plugins" / "plain"
    link.symlink_to(tmp_path / "one")
    async with project.manager(control=True, debounce_delay_ms=60) as manager:
        changing = watching(manager)
        await manager.load("plain")
        await changing.until(EventKind.WATCH_STARTED)
        (project.root / "plugins" / ".link").symlink_to(tmp_path / "two")
        os.replace(project.root / "plugins" / ".link", link)
        await changing.until(EventKind.RELOAD_SUCCEEDED)
        assert await manager.execute("plain") == "two"


async def test_a_burst_is_one_reload(changing):
    for number in range(100):  # without a pause, so that a slow machine sees one burst too
        changing.write(SAYS.format(number))
    await changing.until(EventKind.RELOAD_SUCCEEDED)
    assert await changing.manager.execute("plain") == "99"
    (changing.project.root / "plugins" / "plain" / "more.txt").write_text(
        "so that a further reload would show"
    )
    changed = await changing.until(EventKind.FILE_CHANGED)
    assert changed.data["changes"] == {"more.txt": "created"}
    assert changing.kinds().count(EventKind.RELOAD_SUCCEEDED) == 1
