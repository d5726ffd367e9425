"""Folders of plugins as sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devkit_core.catalog.folders import FolderSource, builtin_sources
from devkit_core.config.places import Places
from devkit_core.config.schema import PluginSystemConfig


def names(folder: Path) -> list[str]:
    return [each.name for each in FolderSource("x", 1, folder).folders()]


def test_a_plugin_is_a_subfolder_with_a_manifest(tmp_path, make):
    for name in ("b", "a", "deep/er"):
        make(f"plugins/{name}")
    make("plugins/.hidden")
    (tmp_path / "plugins/empty").mkdir()
    (tmp_path / "plugins/file").touch()
    assert names(tmp_path / "plugins") == ["a", "b"]


def test_whatever_stands_in_the_manifests_place_makes_it_a_plugin(tmp_path):
    for name in ("fifo", "folder", "link"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo/plugin.toml")
    (tmp_path / "folder/plugin.toml").mkdir()
    (tmp_path / "link/plugin.toml").symlink_to("/nowhere")
    assert names(tmp_path) == ["fifo", "folder", "link"]


def test_links_to_folders_count_and_links_to_nothing_are_shown(tmp_path, make):
    make("elsewhere/real")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/link").symlink_to(tmp_path / "elsewhere/real")
    (tmp_path / "plugins/gone").symlink_to("/nowhere")
    (tmp_path / "plugins/other").symlink_to("/dev/null")
    assert names(tmp_path / "plugins") == ["gone", "link"]


def test_a_missing_folder_has_none_and_a_file_is_an_error(tmp_path):
    assert names(tmp_path / "none") == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        names(tmp_path / "file")


def test_a_folder_that_can_not_be_looked_into_is_shown(tmp_path):
    (tmp_path / "ring").symlink_to("ring")
    assert names(tmp_path) == ["ring"]


def test_the_cores_sources_nearest_first(tmp_path):
    places = Places.under(tmp_path / "h", project=tmp_path, plugin_path=(Path("/a"), Path("/b")))
    sources = builtin_sources(PluginSystemConfig(plugin_dir="tools"), places)
    assert [(each.name, each.rank, str(each.folder)) for each in sources] == [
        ("project", 100, f"{tmp_path}/tools"), ("path", 200, "/a"), ("path-2", 200, "/b"),
        ("user", 300, f"{tmp_path}/h/data/plugins"), ("installed", 400, f"{tmp_path}/h/data"),
    ]  # fmt: skip
