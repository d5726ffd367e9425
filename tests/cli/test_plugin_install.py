"""Installing and what follows, as the command line has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ASKS = '[permissions]\npermissions = ["filesystem:read"]\n'


@pytest.fixture
def elsewhere(project) -> Path:
    return project.home / "elsewhere"


def test_install_list_run_uninstall(project, devkit, data, elsewhere: Path) -> None:
    folder = project.plugin("one", parent=elsewhere)
    shown = devkit("plugin", "install", str(folder), "--dry-run")
    assert "install" in shown.stdout
    assert data("plugin", "list")["plugins"] == []
    devkit("plugin", "install", str(folder))
    row = data("plugin", "list")["plugins"][0]
    assert (row["id"], row["source"], row["status"]) == ("one", "installed", "discovered")
    assert devkit("plugin", "run", "one", "hi").stdout == "HI"
    for word in ("uninstall", "remove", "rm"):
        devkit("plugin", word, "one", "--dry-run")
    devkit("plugin", "rm", "one")
    assert data("plugin", "list")["plugins"] == []
    devkit("plugin", "rm", "one", code=3)


def test_purge_takes_settings_and_secrets(project, devkit, data, elsewhere: Path) -> None:
    more = '[config.size]\ntype = "integer"\n[config.token]\ntype = "string"\nsecret = true\n'
    code = "def initialize(config): pass\ndef execute(text): return text\n"
    folder = project.plugin("one", code, parent=elsewhere, more=more)
    devkit("plugin", "install", str(folder))
    files = [
        Path(data("plugin", "config", "one", "set", "size", "4")["path"]),
        Path(data("plugin", "config", "one", "set", "token", "-", input="hunter2\n")["path"]),
    ]
    devkit("plugin", "uninstall", "one")
    devkit("plugin", "install", str(folder))
    assert data("plugin", "config", "one", "get", "size")["value"] == 4
    shown = devkit("plugin", "uninstall", "one", "--purge", "--dry-run").stderr
    assert [f"would remove {path}" in shown for path in files] == [True, True]
    assert all(path.exists() for path in files)
    project.plugin("one", code, more=more)  # it goes by them too
    assert data("plugin", "uninstall", "one", "--purge")["files"] == []
    assert all(path.exists() for path in files)
    shutil.rmtree(project.folder / "plugins" / "one")
    devkit("plugin", "install", str(folder))
    assert data("plugin", "uninstall", "one", "--purge")["files"] == [str(path) for path in files]
    assert not any(path.exists() for path in files)


def test_pack_verify_install(project, devkit, data) -> None:
    project.plugin("one")
    packed = data("plugin", "pack", "plugins/one", "-o", "dist.dkp")
    assert data("plugin", "verify", "dist.dkp")["content"] == packed["content"]
    devkit("plugin", "install", "dist.dkp")
    assert data("plugin", "verify", "one")["content"] == packed["content"]
    Path("dist.dkp").write_bytes(Path("dist.dkp").read_bytes()[:-1])
    failed = devkit("plugin", "install", "dist.dkp", code=6)
    assert "archive-damaged" in failed.stderr
    assert "--> dist.dkp" in failed.stderr or "dist.dkp" in failed.stderr


def test_a_modified_plugin_is_told_and_mended(project, devkit, data, elsewhere: Path) -> None:
    devkit("plugin", "install", str(project.plugin("one", parent=elsewhere)))
    folder = Path(data("plugin", "list")["plugins"][0]["folder"])
    (folder / "more.py").write_text("x")
    assert "more.py was added" in devkit("plugin", "verify", "one", code=6).stderr
    devkit("store", "verify", code=6)
    devkit("store", "verify", "--repair")
    devkit("plugin", "verify", "one")


def test_nothing_is_granted_and_the_way_to_grant_is_said(project, devkit, data, elsewhere: Path) -> None:
    shown = devkit("plugin", "install", str(project.plugin("one", parent=elsewhere, more=ASKS)))
    assert "filesystem:read" in shown.stdout
    assert "devkit plugin permissions grant one filesystem:read" in shown.stderr
    assert data("plugin", "permissions", "show", "one")["granted"] == []


def test_a_held_update_is_granted_and_taken(project, devkit, data, elsewhere: Path) -> None:
    folder = project.plugin("one", parent=elsewhere)
    devkit("plugin", "install", str(folder))
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text().replace("1.0.0", "1.1.0") + ASKS)
    assert data("plugin", "outdated")["plugins"][0]["standing"] == "held"
    assert data("plugin", "update", "--check")["plugins"][0]["newest"] == "1.1.0"
    assert "held" in devkit("plugin", "update").stdout
    assert "update-held" in devkit("plugin", "update", "one", code=4).stderr
    assert data("plugin", "permissions", "diff", "one")["added"] == ["filesystem:read"]
    assert "+" in devkit("plugin", "permissions", "diff", "one").stdout
    devkit("plugin", "permissions", "grant", "one", "filesystem:read")
    assert data("plugin", "update")["plugins"][0]["standing"] == "updated"
    assert data("plugin", "permissions", "show", "one")["granted"] == ["filesystem:read"]
    devkit("plugin", "rollback", "one")
    devkit("plugin", "pin", "one")
    assert "pinned" in devkit("plugin", "update").stdout
    devkit("plugin", "unpin", "one")
    assert data("plugin", "update", "one")["plugins"][0]["newest"] == "1.1.0"


def test_what_comes_along_needs_a_yes(project, devkit, elsewhere: Path) -> None:
    devkit("plugin", "install", str(project.plugin("base", parent=elsewhere)))
    needs = '[[dependencies]]\nid = "base"\n'
    devkit("plugin", "install", str(project.plugin("user", parent=elsewhere, more=needs)))
    assert "has-dependents" in devkit("plugin", "uninstall", "base", code=5).stderr
    refused = devkit("plugin", "uninstall", "base", "--cascade", code=2)
    assert "devkit plugin uninstall base --cascade --yes" in refused.stderr
    devkit("plugin", "uninstall", "base", "--cascade", "--yes")


def test_lock_and_sync(project, devkit, data, elsewhere: Path) -> None:
    folder = project.plugin("one", parent=project.folder / "tools")
    devkit("plugin", "install", str(folder))
    locked = data("plugin", "lock")
    assert json.loads((project.folder / "devkit.lock").read_text())["format"] == 1
    assert locked["plugins"][0]["origin"] == "./tools/one"
    devkit("plugin", "uninstall", "one")
    devkit("plugin", "sync")
    assert data("plugin", "list")["plugins"][0]["id"] == "one"
    devkit("plugin", "uninstall", "one")
    (folder / "plugin.py").write_text("changed")
    assert "lock-mismatch" in devkit("plugin", "sync", code=6).stderr
    (project.folder / "devkit.lock").unlink()
    devkit("plugin", "sync", code=3)


def test_gc_after_a_crash(project, devkit, data, elsewhere: Path) -> None:
    devkit("plugin", "install", str(project.plugin("one", parent=elsewhere)))
    (project.home / "data" / "store" / "sha256" / ("a" * 64)).mkdir()
    assert data("store", "gc", "--dry-run")["removed"] == ["a" * 64]
    assert data("store", "gc")["removed"] == ["a" * 64]
    assert data("store", "gc")["removed"] == []


def test_a_shadowed_plugin_is_said(project, devkit, elsewhere: Path) -> None:
    project.plugin("one")
    shown = devkit("plugin", "install", str(project.plugin("one", parent=elsewhere)))
    assert "'project' is nearer" in shown.stderr


def test_bad_requests(project, devkit) -> None:
    devkit("plugin", "install", code=2)
    devkit("plugin", "install", "http://example.org/x.dkp", code=2)
    devkit("plugin", "install", "./nothing", code=3)
    devkit("plugin", "install", "nothing", code=3)
    devkit("plugin", "install", "./plugins", "--version", "1.0.0", code=2)
    devkit("plugin", "verify", "./plugins", code=2)
    devkit("plugin", "pack", "nothing", code=3)
    devkit("plugin", "update", "nothing", code=3)
    devkit("plugin", "rollback", "nothing", code=3)


def test_fetching_is_said(project, devkit) -> None:
    shown = devkit("plugin", "install", "git+file:///nowhere/at-all", code=7)
    assert "fetching git+file:///nowhere/at-all" in shown.stderr


def test_nothing_of_a_plugin_runs(project, devkit, elsewhere: Path) -> None:
    trap = elsewhere / "ran"
    code = f"open({str(trap)!r}, 'w')\n"
    folder = project.plugin("one", code=code, parent=elsewhere)
    for name in ("setup.py", "conftest.py", "sitecustomize.py", "__init__.py"):
        (folder / name).write_text(code)
    for words in (
        ("install", str(folder)),
        ("pack", str(folder)),
        ("verify", "one"),
        ("update",),
        ("lock",),
        ("uninstall", "one"),
        ("sync",),
    ):
        devkit("plugin", *words)
    assert not trap.exists()
