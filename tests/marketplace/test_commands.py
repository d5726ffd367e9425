"""devkit marketplace, and the founding document's lines for a catalogue, with the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEVKIT = Path(sys.executable).with_name("devkit")


@pytest.fixture
def devkit(tmp_path):
    """Run devkit in an empty folder, with an empty home."""
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()

    def run(*words, code=0, **environ):
        done = subprocess.run(
            [DEVKIT, *words],
            cwd=here,
            env={"PATH": os.environ["PATH"], "HOME": str(home), **environ},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def data(devkit):
    return lambda *words, **more: json.loads(devkit(*words, "--format", "json", **more).stdout)


def test_the_lines_of_the_founding_document(devkit, data):
    assert "rust-analyzer-plus" in devkit("plugin", "search", "rust").stdout
    info = data("plugin", "info", "rust-analyzer-plus")
    assert (info["version"], info["offers"][0]["category"]) == ("1.2.3", "analysis")
    assert info["offers"][0]["publisher"]["verified"] is True
    assert info["offers"][0]["stats"]["downloads"] is None
    assert data("plugin", "list")["plugins"] == []
    devkit("plugin", "install", "python-formatter", "--version", "1.0.5")
    (installed,) = data("plugin", "list")["plugins"]
    assert (installed["id"], installed["version"], installed["source"]) == (
        "python-formatter",
        "1.0.5",
        "installed",
    )
    devkit("plugin", "status")
    devkit("plugin", "update")
    (updated,) = data("plugin", "list")["plugins"]
    assert updated["version"] == "1.1.0"


def test_every_release_of_a_plugin_can_be_installed(devkit, data):
    (offer,) = data("plugin", "info", "python-formatter")["offers"]
    assert [each["version"] for each in offer["releases"]] == ["1.1.0", "1.0.5", "1.0.4"]
    devkit("plugin", "install", "python-formatter", "--version", "1.0.4")
    assert data("plugin", "list")["plugins"][0]["version"] == "1.0.4"


def test_export_list_and_install_from_a_folder(make, plugins, tmp_path, devkit, data):
    make("mine", "2.0.0", market='category = "tools"\n')
    make("native", entry="x.so", code=None, market='[build]\ncommand = ["no-such-compiler"]\n')
    target = tmp_path / "catalogue"
    planned = devkit("marketplace", "export", str(target), "--plugins", str(plugins), "--dry-run")
    assert str(plugins / "mine") in planned.stderr
    assert not target.exists()
    made = data("marketplace", "export", str(target), "--plugins", str(plugins))
    assert made["schema"] == "marketplace-export/1"
    assert made["plugins"] == [{"id": "mine", "version": "2.0.0"}]
    assert [each["id"] for each in made["not_built"]] == ["native"]
    urls = {"DEVKIT_REGISTRY_URLS": f"file://{target}"}
    near, own = data("marketplace", "list", **urls)["catalogues"]
    assert (near["name"], near["plugins"], near["folder"]) == ("registry", 1, str(target))
    assert own["name"] == "catalogue"
    assert "no-such-compiler" in devkit("marketplace", "list", **urls).stdout
    assert data("plugin", "search", "mine", **urls)["plugins"][0]["source"] == "registry"
    devkit("plugin", "install", "mine", **urls)
    assert data("plugin", "run", "mine", "hello")["text"] == "hello"


def test_a_changed_package_is_not_installed(make, plugins, tmp_path, devkit, data):
    make("mine")
    target = tmp_path / "catalogue"
    devkit("marketplace", "export", str(target), "--plugins", str(plugins))
    archive = target / "archives/mine/mine-1.0.0.dkp"
    changed = bytearray(archive.read_bytes())
    changed[len(changed) // 2] ^= 1
    archive.write_bytes(changed)
    urls = {"DEVKIT_REGISTRY_URLS": f"file://{target}"}
    assert "error[hash-mismatch]" in devkit("plugin", "install", "mine", code=6, **urls).stderr
    assert data("plugin", "list")["plugins"] == []


def test_what_cannot_be_exported(tmp_path, devkit):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "plugins").mkdir()
    words = ("marketplace", "export", str(tmp_path / "full"), "--plugins")
    assert "error[catalogue-target]" in devkit(*words, str(tmp_path / "plugins"), code=2).stderr
    assert "error[path-not-found]" in devkit(*words, str(tmp_path / "none"), code=3).stderr


def test_a_remote_registry_is_refused_everywhere(devkit):
    urls = {"DEVKIT_REGISTRY_URLS": "https://plugins.example.org"}
    for words in (("plugin", "search", "x"), ("plugin", "info", "nobody-has-it")):
        assert "error[registry-unsupported]" in devkit(*words, code=2, **urls).stderr
    listed = devkit("marketplace", "list", **urls)
    assert "error[registry-unsupported]" in listed.stdout
    assert "not supported yet" in listed.stderr
    devkit("plugin", "list", **urls)


def test_doctor_tells_of_the_catalogues(devkit):
    assert "catalogue" in devkit("doctor").stdout
    broken = devkit("doctor", DEVKIT_REGISTRY_URLS="file:///nowhere/at/all")
    assert "there is no catalogue in /nowhere/at/all" in broken.stdout
