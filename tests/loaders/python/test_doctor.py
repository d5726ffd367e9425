"""What `devkit doctor` says of packages."""

import pytest

from devkit_loader_python.doctor import checks
from devkit_loader_python.environments import ensure
from devkit_loader_python.installers import find


def test_it_counts_the_sets_and_names_a_damaged_one(index, tmp_path, monkeypatch):
    if find() is None:
        pytest.skip("needs uv or pip")
    monkeypatch.setenv("DEVKIT_HOME", str(tmp_path / "home"))
    index.add("lower")
    made = ensure(["lower"], tmp_path / "home" / "cache")
    (check,) = checks()
    levels = {finding.subject: (finding.level, finding.message) for finding in check.run()}
    assert levels["python"][0] == levels["installer"][0] == "ok"
    assert levels["packages"][1].startswith("1 set, ")
    (made.packages / "lower.py").unlink()
    levels = {finding.subject: (finding.level, finding.message) for finding in check.run()}
    assert levels[made.folder.name][0] == "warning"
    assert levels["packages"][1].startswith("0 sets, ")


def test_without_an_installer_it_warns(monkeypatch, tmp_path):
    monkeypatch.setenv("DEVKIT_HOME", str(tmp_path))
    monkeypatch.setattr("devkit_loader_python.installers.find", lambda: None)
    found = {finding.subject: finding for finding in checks()[0].run()}
    assert found["installer"].level == "warning"
    assert found["installer"].hint == "python3 -m pip install uv"
