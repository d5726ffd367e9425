"""devkit plugin check: all problems, with file, line and caret; runs nothing."""

import pytest


def test_a_fine_plugin(project, devkit):
    folder = project.plugin("fine")
    assert devkit("plugin", "check", str(folder)).stdout.endswith(f"{folder}: ok\n")
    assert devkit("plugin", "check", str(folder / "plugin.toml")).exit_code == 0


def test_all_problems_with_place_and_caret(project, devkit, data):
    folder = project.plugins / "bad"
    folder.mkdir()
    (folder / "plugin.toml").write_text('[metadata]\nid = "bad"\nname = "Bad"\nversion = "1"\nauthor = 3\n')
    result = devkit("plugin", "check", str(folder), code=1)
    assert f"--> {folder}/plugin.toml:4:" in result.stdout
    assert '4 | version = "1"' in result.stdout
    assert "^" in result.stdout
    found = data("plugin", "check", str(folder), code=1)
    assert found["ok"] is False
    problems = found["checked"][0]["problems"]
    assert len(problems) >= 3
    assert all(each["code"] and each["place"]["path"].endswith("plugin.toml") for each in problems)


def test_warnings_fail_only_when_strict(project, devkit):
    folder = project.plugin("warned", more='unknown_key = "x"')
    result = devkit("plugin", "check", str(folder))
    assert "warning[" in result.stdout
    assert "1 warning" in result.stdout
    devkit("plugin", "check", "--strict", str(folder), code=1)


def test_packages_of_python_for_another_kind(project, devkit, data):
    more = '[python]\nrequires = ["black"]'
    folder = project.plugin("other", more=more)
    assert data("plugin", "check", str(folder))["checked"][0]["problems"] == []
    (folder / "plugin.toml").write_text(
        (folder / "plugin.toml").read_text().replace("plugin.py", "plugin.wat")
    )
    (folder / "plugin.wat").write_text('(module (memory (export "memory") 1) (func (export "_start")))')
    (problem,) = data("plugin", "check", str(folder))["checked"][0]["problems"]
    assert (problem["code"], problem["warning"]) == ("manifest-unsupported", True)
    assert "is run by the loader `wasm`" in problem["message"]
    assert (problem["place"]["line"], problem["place"]["key"]) == (9, "requires")
    devkit("plugin", "run", "other", "x")
    assert "[[python] has no effect" in devkit("plugin", "logs", "other").stdout


def test_an_entry_point_that_leaves_the_folder(project, devkit):
    folder = project.plugin("leaver")
    text = (folder / "plugin.toml").read_text().replace('"plugin.py"', '"../other.py"')
    (folder / "plugin.toml").write_text(text)
    assert "plugin.toml:7:" in devkit("plugin", "check", str(folder), code=1).stdout


def test_a_missing_entry_point_is_shown_where_it_is_named(project, devkit):
    folder = project.plugin("missing")
    (folder / "plugin.py").rename(folder / "plugn.py")
    out = devkit("plugin", "check", str(folder), code=1).stdout
    assert "error[entry-point-missing]" in out
    assert 'plugin.toml:7:1\n   |\n 7 | entry_point = "plugin.py"\n   | ^^^^^^^^^^^' in out


def test_the_loader_reads_the_code_and_runs_nothing(project, devkit):
    trap = f"open({str(project.folder / 'ran')!r}, 'w')\n"
    broken = project.plugin("broken", trap + "def execute(:\n")
    empty = project.plugin("empty", trap)
    assert "plugin.py:2:" in devkit("plugin", "check", str(broken), code=1).stdout
    assert "execute" in devkit("plugin", "check", str(empty), code=1).stdout
    assert not (project.folder / "ran").exists()


@pytest.mark.parametrize("form", ["table", "json"])
def test_several_at_once(project, devkit, form):
    good, bad = project.plugin("good"), project.plugins / "bad"
    bad.mkdir()
    result = devkit("plugin", "check", str(good), str(bad), "--format", form, code=1)
    assert str(good) in result.stdout
    assert str(bad) in result.stdout


def test_nothing_there(project, devkit):
    assert "error[path-not-found]" in devkit("plugin", "check", "nowhere", code=3).stderr
    devkit("plugin", "check", code=2)
