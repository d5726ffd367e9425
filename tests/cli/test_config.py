"""devkit config: values, where they came from, and changing one."""

import json


def test_show_says_where_each_value_came_from(project, devkit, data, monkeypatch):
    (project.folder / "devkit.toml").write_text("[plugins]\n\nmax_plugins = 7\n")
    monkeypatch.setenv("DEVKIT_EXECUTION_TIMEOUT", "60")
    found = {each["name"]: each for each in data("config", "show")["settings"]}
    assert found["max_plugins"]["value"] == 7
    assert found["max_plugins"]["origin"]["line"] == 3
    assert found["execution_timeout"]["origin"]["variable"] == "DEVKIT_EXECUTION_TIMEOUT"
    assert found["enable_sandbox"]["origin"]["scope"] == "default"
    assert found["default_permissions"]["value"] == []
    out = devkit("config", "show").stdout
    assert f"{project.folder / 'devkit.toml'}:3" in out


def test_show_goes_on_with_a_wrong_value(project, devkit, monkeypatch):
    monkeypatch.setenv("DEVKIT_MAX_PLUGINS", "many")
    result = devkit("config", "show", code=2)
    assert "max_plugins          50" in result.stdout
    assert "error[config-invalid]" in result.stderr
    document = json.loads(devkit("config", "show", "--format", "json", code=2).stdout)
    assert document["problems"][0]["code"] == "config-invalid"


def test_get_and_set(project, devkit, data):
    assert devkit("config", "get", "execution_timeout").stdout == "300.0\n"
    written = data("config", "set", "execution_timeout", "60")
    assert written["path"] == str(project.home / "config" / "config.toml")
    assert data("config", "get", "execution_timeout")["origin"]["scope"] == "user"
    data("config", "set", "--project", "plugin_dir", "tools")
    assert devkit("config", "get", "plugin_dir").stdout == "tools\n"


def test_unset(project, devkit, data):
    data("config", "set", "--add", "disabled_extensions", "quiet")
    assert "would unset" in devkit("config", "unset", "disabled_extensions", "--dry-run").stderr
    assert devkit("config", "get", "disabled_extensions").stdout == "quiet\n"
    assert data("config", "unset", "disabled_extensions")["changed"] is True
    assert devkit("config", "get", "disabled_extensions").stdout == "\n"
    assert "is not set in" in devkit("config", "unset", "disabled_extensions").stderr
    data("config", "set", "--project", "plugin_dir", "tools")
    assert data("config", "unset", "plugin_dir")["changed"] is False
    assert data("config", "unset", "--project", "plugin_dir")["changed"] is True
    devkit("config", "unset", "max_plugin", code=3)


def test_set_dry_run(project, devkit):
    assert "would set" in devkit("config", "set", "max_plugins", "5", "--dry-run").stderr
    assert devkit("config", "get", "max_plugins").stdout == "50\n"
    devkit("config", "set", "max_plugins", "0", "--dry-run", code=2)


def test_errors(devkit):
    assert "Did you mean max_plugins?" in devkit("config", "get", "max_plugin", code=3).stderr
    devkit("config", "set", "max_plugins", "x", code=2)


def test_paths(project, devkit, data):
    found = data("config", "paths")
    assert found["cache"] == str(project.home / "cache")
    assert found["plugin_dir"] == str(project.plugins)
    assert str(project.home / "state") in devkit("config", "paths").stdout
