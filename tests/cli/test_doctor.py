"""devkit doctor, plugin status and loader list: what is there, what is wrong, what to do."""


def test_all_well(project, devkit, data):
    project.plugin("one")
    found = data("doctor")
    assert found["ok"] is True
    levels = {(each["check"], each["subject"]): each["level"] for each in found["findings"]}
    assert levels["loaders", "python"] == "ok"
    assert levels["plugins", "usable"] == "ok"
    assert any(check == "confinement" for check, _ in levels)
    assert "confinement\n" in devkit("doctor").stdout


def test_a_broken_plugin_is_an_error(project, devkit, data):
    (project.plugins / "broken").mkdir()
    (project.plugins / "broken" / "plugin.toml").write_text("")
    assert data("doctor", code=1)["ok"] is False
    assert "broken: manifest-" in devkit("doctor", code=1).stdout


def test_wrong_settings_and_a_damaged_record_are_findings(project, devkit):
    (project.folder / "devkit.toml").write_text("[plugins]\nmax_plugins = 0\n")
    out = devkit("doctor", code=1).stdout
    assert "max_plugins must be" in out


def test_a_damaged_record_is_a_finding(project, devkit):
    record = project.home / "data" / "devkit.lock"
    record.parent.mkdir()
    record.write_text("nonsense")
    assert "is damaged" in devkit("doctor", code=1).stdout


def test_status(project, devkit, data):
    project.plugin("one")
    (project.plugins / "broken").mkdir()
    (project.plugins / "broken" / "plugin.toml").write_text("")
    found = data("plugin", "status")
    assert found["plugins"] == {"total": 2, "discovered": 1, "error": 1}
    assert "python" in found["loaders"]
    assert found["problems"][0]["next"] == f"devkit plugin check {project.plugins / 'broken'}"
    out = devkit("plugin", "status").stdout
    assert "2 (1 discovered, 1 error)" in out
    assert "next: devkit plugin check" in out


def test_loader_list(project, devkit, data):
    found = {each["name"]: each for each in data("loader", "list")["loaders"]}
    assert found["python"]["languages"] == ["python"]
    assert ".py" in devkit("loader", "list").stdout
