"""Where files are: DEVKIT_HOME, the project's root, DEVKIT_PLUGIN_PATH."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from devkit_core.config.places import Places
from devkit_core.errors import ConfigError


def test_devkit_home_holds_all(tmp_path):
    places = Places.find({"DEVKIT_HOME": str(tmp_path / "h")}, tmp_path)
    folders = [places.config, places.data, places.state, places.cache, places.runtime]
    assert folders == [tmp_path / "h" / name for name in ("config", "data", "state", "cache", "runtime")]
    assert places.user_file == tmp_path / "h/config/config.toml"
    assert list(tmp_path.iterdir()) == []


def test_a_relative_devkit_home_starts_here(tmp_path):
    assert Places.find({"DEVKIT_HOME": "h"}, tmp_path).data == tmp_path / "h/data"


def test_without_it_the_users_folders_count_and_none_is_shared(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "DATA", "STATE", "CACHE", "RUNTIME"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    places = Places.find(None, tmp_path)
    assert places.data == tmp_path / ".local/share/devkit"
    assert places.runtime == tmp_path / ".local/state/devkit/run"


def test_the_project_is_the_nearest_folder_upward_with_a_file(tmp_path):
    inner = tmp_path / "a/b/c"
    inner.mkdir(parents=True)
    (tmp_path / "devkit.toml").touch()
    (tmp_path / "a/b/devkit.toml").touch()
    places = Places.find({"DEVKIT_HOME": "/h"}, inner)
    assert places.project == tmp_path / "a/b"
    assert places.plugin_dir("plugins") == tmp_path / "a/b/plugins"
    assert places.plugin_dir(Path("/x/y")) == Path("/x/y")


def test_without_a_file_the_project_is_here(tmp_path):
    assert Places.find({"DEVKIT_HOME": "/h"}, tmp_path).project == tmp_path


def test_the_plugin_path_is_taken_apart(tmp_path):
    environ = {"DEVKIT_HOME": "/h", "DEVKIT_PLUGIN_PATH": "/a/../b::rel: :~nobody-of-that-name/x"}
    path = Places.find(environ, tmp_path).plugin_path
    assert path == (Path("/b"), tmp_path / "rel", tmp_path / "~nobody-of-that-name/x")


def test_a_folder_that_is_gone_is_an_error(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError) as caught:
        Places.find({})
    assert caught.value.code == "cwd-missing"


def test_with_devkit_home_nothing_heavy_is_imported():
    program = """
import sys
from devkit_core.config.places import Places
from devkit_core.config.sources import load
load(Places.find({"DEVKIT_HOME": "/nowhere"}), environ={})
print(sorted({"platformdirs", "tomllib", "tomlkit", "msgspec", "filelock", "tempfile"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
