"""devkit plugin new: a folder that is right as it stands."""

import subprocess
import sys

import pytest


def test_it_checks_and_its_own_test_passes(project, devkit):
    result = devkit("plugin", "new", "my-plugin")
    folder = project.plugins / "my-plugin"
    names = {".gitignore", "README.md", "plugin.py", "plugin.toml", "test_plugin.py"}
    assert {each.name for each in folder.iterdir()} == names
    assert result.stdout.splitlines() == [str(folder / name) for name in sorted(names)]
    assert (folder / "plugin.toml").read_text().startswith("#:schema ")
    assert devkit("plugin", "check", "--strict", str(folder)).stdout == f"{folder}: ok\n"
    assert "my-plugin" in devkit("plugin", "list").stdout
    shown = subprocess.run(
        [sys.executable, "plugin.py", "execute", "hi"], cwd=folder, capture_output=True, check=True
    )
    assert shown.stdout == b"HI\n"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
        cwd=folder,
        capture_output=True,
        check=True,
    )


def test_a_folder_that_exists_is_left_alone(project, devkit):
    folder = project.plugin("mine", "MINE = 1\n")
    assert "error[folder-exists]" in devkit("plugin", "new", "mine", code=2).stderr
    assert (folder / "plugin.py").read_text() == "MINE = 1\n"


@pytest.mark.parametrize(
    "id", ["Bad", "a/b", "../x", "a b", "", "-x", "x\x00y", "x" * 65, "\u0430bc", "a\nb"]
)
def test_an_id_that_can_not_be(project, devkit, id):
    result = devkit("plugin", "new", "--", id, code=2)
    assert "error[manifest-" in result.stderr
    assert list(project.plugins.iterdir()) == []
    assert list(project.folder.iterdir()) == [project.plugins]


def test_dry_run_makes_nothing(project, devkit, data):
    assert "would make" in devkit("plugin", "new", "one", "--dry-run").stderr
    assert data("plugin", "new", "one", "--dry-run")["dry_run"] is True
    assert list(project.plugins.iterdir()) == []


def test_another_place(project, devkit):
    told = devkit("plugin", "new", "one", "--dir", "my tools").stderr
    assert (project.folder / "my tools" / "one" / "plugin.toml").exists()
    assert told.endswith("try: DEVKIT_PLUGIN_PATH='my tools' devkit plugin run one \"hello\"\n")
    told = devkit("plugin", "new", "two", "--dir", "./plugins").stderr
    assert told.endswith('try: devkit plugin run two "hello"\n')


def test_an_author_with_quotes_is_escaped(project, devkit, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", 'A "quoted" \\ näme\u202e')
    devkit("plugin", "new", "one")
    assert r'author = "A \"quoted\" \\ näme"' in (project.plugins / "one" / "plugin.toml").read_text()


def test_an_unknown_language(devkit):
    result = devkit("plugin", "new", "one", "--lang", "pyton", code=3)
    assert "error[language-unknown]" in result.stderr
    assert "did you mean 'python'?" in result.stderr
