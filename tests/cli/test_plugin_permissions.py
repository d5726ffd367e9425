"""devkit plugin permissions: asked, granted, withheld; the user's word alone grants."""

import json

import pytest

ASKS = '[permissions]\npermissions = ["filesystem:read", "network:https", "my.right"]'


def test_show(project, devkit, data):
    project.plugin("asker", more=ASKS)
    found = data("plugin", "permissions", "show", "asker")
    assert found["schema"] == "plugin-permissions/1"
    assert found["asked"] == found["withheld"] == ["filesystem:read", "my.right", "network:https"]
    assert found["granted"] == []
    assert found["meanings"]["network:https"] == "connect to public hosts by HTTPS (port 443)"
    assert found["enforced_by"]["my.right"] is None
    result = devkit("plugin", "permissions", "show", "asker")
    assert "withheld" in result.stdout
    assert "devkit plugin permissions grant asker filesystem:read" in result.stderr
    project.plugin("quiet")
    result = devkit("plugin", "permissions", "show", "quiet")
    assert result.stdout == ""
    assert "asks for nothing" in result.stderr


def test_grant_and_revoke(project, devkit, data):
    project.plugin("asker", more=ASKS)
    granted = data("plugin", "permissions", "grant", "asker", "filesystem:read")
    assert granted["granted"] == ["filesystem:read"]
    assert granted["withheld"] == ["my.right", "network:https"]
    assert data("plugin", "permissions", "show", "asker")["granted"] == ["filesystem:read"]
    revoked = data("plugin", "permissions", "revoke", "asker", "FileSystemRead")
    assert revoked["revoked"] == ["filesystem:read"]
    assert revoked["granted"] == []
    assert "nothing" in devkit("plugin", "permissions", "revoke", "asker", "--all").stderr


def test_a_narrower_right_may_be_granted(project, data):
    project.plugin("asker", more=ASKS)
    found = data("plugin", "permissions", "grant", "asker", "filesystem:read=$CWD/src")
    assert found["granted"] == ["filesystem:read=$CWD/src"]


@pytest.mark.parametrize("wanted", ["process:spawn", "filesystem:read=/etc", "network:http"])
def test_what_is_not_asked_can_not_be_granted(project, devkit, data, wanted):
    project.plugin("asker", more=ASKS)
    result = devkit("plugin", "permissions", "grant", "asker", "filesystem:read", wanted, code=4)
    assert "error[permission-not-asked]" in result.stderr
    assert data("plugin", "permissions", "show", "asker")["granted"] == []


def test_all_needs_a_yes(project, devkit, data):
    project.plugin("asker", more=ASKS)
    result = devkit("plugin", "permissions", "grant", "asker", "--all", code=2)
    assert "error[confirmation-needed]" in result.stderr
    assert "devkit plugin permissions grant asker --all --yes" in result.stderr
    assert data("plugin", "permissions", "show", "asker")["granted"] == []
    assert data("plugin", "permissions", "grant", "asker", "--all", "--yes")["withheld"] == []


@pytest.mark.parametrize("words", [("grant", "asker"), ("grant", "asker", "--yes"), ("revoke", "asker")])
def test_yes_alone_grants_nothing(project, devkit, words):
    project.plugin("asker", more=ASKS)
    devkit("plugin", "permissions", *words, code=2)
    assert not (project.home / "data" / "devkit.lock").exists()


def test_dry_run_changes_nothing(project, data):
    project.plugin("asker", more=ASKS)
    assert data("plugin", "permissions", "grant", "asker", "my.right", "--dry-run")["granted"] == []
    data("plugin", "permissions", "grant", "asker", "my.right")
    assert data("plugin", "permissions", "revoke", "asker", "--all", "--dry-run")["revoked"] == ["my.right"]
    assert data("plugin", "permissions", "show", "asker")["granted"] == ["my.right"]


def test_a_text_that_is_no_permission(project, devkit):
    project.plugin("asker", more=ASKS)
    result = devkit("plugin", "permissions", "grant", "asker", "network:htps", code=2)
    assert "error[permission-invalid]" in result.stderr


def test_another_folder_of_the_same_id_has_nothing_of_it(project, data, devkit):
    folder = project.plugin("asker", more=ASKS)
    data("plugin", "permissions", "grant", "asker", "my.right")
    folder.rename(project.plugins / "moved")
    assert data("plugin", "permissions", "show", "asker")["granted"] == []


def test_enable_and_disable(project, devkit, data):
    project.plugin("one")
    assert data("plugin", "disable", "one", "--dry-run") == {
        "schema": "plugin-choice/1",
        "id": "one",
        "enabled": False,
        "changed": True,
        "dry_run": True,
    }
    assert data("plugin", "list")["plugins"][0]["status"] == "discovered"
    assert "one is disabled" in devkit("plugin", "disable", "one").stderr
    assert data("plugin", "list")["plugins"][0]["status"] == "disabled"
    assert "already" in devkit("plugin", "disable", "one").stderr
    assert "devkit plugin enable one" in devkit("plugin", "info", "one").stdout
    assert data("plugin", "enable", "one")["changed"] is True
    devkit("plugin", "disable", "two", code=3)


def test_a_damaged_record_is_told_and_left_alone(project, devkit):
    project.plugin("asker", more=ASKS)
    record = project.home / "data" / "devkit.lock"
    record.parent.mkdir()
    record.write_text("{}")
    result = devkit("plugin", "permissions", "grant", "asker", "my.right", "--format", "json", code=1)
    assert json.loads(result.stderr)["error"]["code"] == "state-damaged"
    assert record.read_text() == "{}"
