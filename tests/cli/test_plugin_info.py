"""devkit plugin info: what the manifest says, the rights, the dependencies, the error."""


def test_everything_of_a_manifest(project, devkit, data):
    project.plugin(
        "rich",
        more=(
            'license = "MIT"\ntags = ["a", "b"]\ncreated_at = "2024-01-01T00:00:00Z"\n'
            '[[dependencies]]\nid = "python-runtime"\nversion = ">=3.8"\n'
            '[[dependencies]]\nid = "absent"\noptional = true\n'
            '[[capabilities]]\ncapability = "Testing"\n'
            '[permissions]\npermissions = ["filesystem:read", "network:https"]\n'
            '[functions.count]\ndescription = "Counts"\n'
        ),
    )
    found = data("plugin", "info", "rich")
    assert found["schema"] == "plugin-info/1"
    assert found["license"] == "MIT"
    assert found["created_at"] == "2024-01-01T00:00:00Z"
    assert found["kind"] == "python"
    assert [(each["id"], each["met"]) for each in found["dependencies"]] == [
        ("python-runtime", True),
        ("absent", False),
    ]
    assert found["permissions"]["withheld"] == ["filesystem:read", "network:https"]
    grant = "devkit plugin permissions grant rich filesystem:read network:https"
    assert found["permissions"]["grant_command"] == grant
    out = devkit("plugin", "info", "rich").stdout
    assert grant in out
    assert "count: Counts" in out
    assert "python-runtime >=3.8 (met by 3." in out
    assert "absent * (missing, optional)" in out


def test_unknown_id(project, devkit):
    project.plugin("test-plugin")
    result = devkit("plugin", "info", "test-plugn", code=3)
    assert "error[plugin-not-found]" in result.stderr
    assert "Did you mean test-plugin?" in result.stderr


def test_a_broken_plugin_is_shown_with_its_error(project, devkit, data):
    (project.plugins / "broken").mkdir()
    (project.plugins / "broken" / "plugin.toml").write_text('[metadata]\nid = "broken"\nnme = 1\n')
    found = data("plugin", "info", "broken")
    assert found["error"]["code"].startswith("manifest-")
    assert found["permissions"] is None
    out = devkit("plugin", "info", "broken").stdout
    assert "error[manifest-" in out
    assert str(project.plugins / "broken" / "plugin.toml") in out


def test_an_entry_point_that_is_missing_is_its_error(project, data):
    (project.plugin("one") / "plugin.py").unlink()
    assert data("plugin", "info", "one")["error"]["code"] == "entry-point-missing"


def test_options_of_the_seed_stand_in_any_place(project, devkit):
    project.plugin("one")
    alike = {
        devkit(*words).stdout
        for words in (
            ("plugin", "info", "one", "--format", "json"),
            ("--format", "json", "plugin", "info", "one"),
            ("plugin", "--format", "json", "info", "one"),
        )
    }
    assert len(alike) == 1
