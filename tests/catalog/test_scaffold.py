"""A template becomes a folder, whole or not at all."""

import os
from pathlib import Path

import pytest

from devkit_core.catalog.scaffold import render, write
from devkit_core.errors import ExtensionError, StateError, UsageError


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    (folder / "src").mkdir(parents=True)
    (folder / "plugin.toml.template").write_text('id = "$id"\n# $$5\n')
    (folder / "src" / "run.sh.template").write_text("#!/bin/sh\necho $id\n")
    (folder / "notes.txt").write_text("not a template")
    return folder


def test_render_replaces_values_and_leaves_the_rest_out(template: Path) -> None:
    assert render(template, {"id": "a"}) == {
        "plugin.toml": 'id = "a"\n# $5\n',
        "src/run.sh": "#!/bin/sh\necho a\n",
    }


def test_a_template_that_can_not_be_used(template: Path) -> None:
    for wrong in ("$unknown", "$ "):
        (template / "x.template").write_text(wrong)
        with pytest.raises(ExtensionError) as caught:
            render(template, {"id": "a"})
        assert caught.value.code == "template-broken"
    with pytest.raises(ExtensionError):
        render(template / "missing", {})


def test_write_makes_everything_and_marks_scripts(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "a"
    write(folder, render(template, {"id": "a"}))
    assert (folder / "plugin.toml").read_text().startswith('id = "a"')
    assert os.access(folder / "src" / "run.sh", os.X_OK)
    assert not os.access(folder / "plugin.toml", os.X_OK)
    assert [each.name for each in folder.parent.iterdir()] == ["a"]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_nothing_that_exists_is_touched(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    if kind == "folder":
        folder.mkdir()
    elif kind == "file":
        folder.touch()
    else:
        folder.symlink_to("nowhere")
    with pytest.raises(UsageError) as caught:
        write(folder, {"plugin.toml": ""})
    assert caught.value.code == "folder-exists"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_place_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError) as caught:
        write(tmp_path / "file" / "a", {"plugin.toml": ""})
    assert caught.value.code == "folder-unwritable"
    with pytest.raises(StateError):
        write(tmp_path / "b", {"plugin.toml": "", "x" * 300: ""})
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
