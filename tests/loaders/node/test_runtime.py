"""Which Node.js is found, and what is said where there is none."""

import json
import os

import pytest

from devkit_core.api import LoadError
from devkit_loader_node import runtime
from devkit_loader_node.doctor import checks
from devkit_loader_node.hooks import devkit_register_runtimes


def fake(folder, version):
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho v{version}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A machine whose only Node.js is what a test puts in the folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: None)
    return tmp_path


def test_none_at_all(alone):
    with pytest.raises(LoadError) as caught:
        runtime.find_path()
    assert caught.value.code == "node-missing"
    assert caught.value.hint == 'pip install "devkit-loader-node[node]"'
    assert runtime.version_here() is None
    assert devkit_register_runtimes() == {}
    (finding,) = checks()[0].run()
    assert (finding.level, finding.hint) == ("warning", caught.value.hint)


@pytest.mark.parametrize("version", ["20.20.2", "22.17.9", "9.99.0", "rubbish"])
def test_one_that_is_too_old(alone, version):
    fake(alone, version)
    with pytest.raises(LoadError, match=r"22\.18 or newer") as caught:
        runtime.find_path()
    assert caught.value.code == "node-too-old"


@pytest.mark.parametrize("version", ["22.18.0", "23.0.0", "24.19.0", "100.1.0"])
def test_one_that_is_new_enough(alone, version):
    made = fake(alone, version)
    assert runtime.find_path() == made
    assert devkit_register_runtimes() == {"node-runtime": version}


async def test_one_that_does_not_run(alone, tmp_path):
    fake(alone, "24.0.0")
    with pytest.raises(LoadError, match="can't be used") as caught:
        await runtime.find(tmp_path / "cache")
    assert caught.value.code == "node-missing"


async def test_what_it_needs_is_measured_once(node, tmp_path, monkeypatch):
    first = await runtime.find(tmp_path)
    assert first.path == node
    assert first.base_mb > 30
    monkeypatch.setattr(runtime, "_measure", None)
    assert await runtime.find(tmp_path) == first
    kept = tmp_path / "runtimes.json"
    monkeypatch.undo()
    for text in ("", "[]", "7", json.dumps({"x": 7})):
        kept.write_text(text)
        assert await runtime.find(tmp_path) == first


async def test_a_cache_that_can_not_be_written(node, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert (await runtime.find(blocked / "cache")).path == node


def test_doctor(node):
    findings = checks()[0].run()
    assert findings[0].level == "ok"
    assert str(node) in findings[0].message


def test_npm_is_the_one_beside_it(node):
    found = runtime.Node(node, "24.0.0", 0).npm
    assert found is None or all(os.path.isabs(part) for part in found)
