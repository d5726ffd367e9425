"""Settings of plugins come from files, variables and arguments, and are written whole or not at all."""

import stat

import pytest

from devkit_core.catalog.plugin_settings import PluginSettings, given_texts
from devkit_core.config.environment import plugin_variable
from devkit_core.config.places import Places
from devkit_core.errors import ConfigError, NotFound, StateError, UsageError
from devkit_core.model.manifest import parse

MANIFEST = parse(b"""[metadata]
id = "my-plugin"
name = "Mine"
version = "1.0.0"
description = "d"
author = "a"
entry_point = "plugin.py"
[config.size]
type = "integer"
default = 1
[config.server]
type = "table"
fields.host = { type = "string" }
fields.port = { type = "integer", min = 1 }
[config.token]
type = "string"
secret = true
""").manifest


@pytest.fixture
def places(tmp_path):
    return Places.under(tmp_path / "home", project=tmp_path)


def test_each_source_covers_the_one_before(places):
    settings = PluginSettings(places, {})
    settings.set(MANIFEST, "size", "2")
    settings.set(MANIFEST, "token", "hunter2")
    assert settings.read(MANIFEST).values == {"size": 2, "token": "hunter2"}
    variable = {plugin_variable("my-plugin", "size"): "3"}
    assert PluginSettings(places, variable).read(MANIFEST).values["size"] == 3
    given = PluginSettings(places, variable, {"my-plugin": {"size": "4", "server.port": "5"}})
    config = given.read(MANIFEST)
    assert config.values == {"size": 4, "token": "hunter2", "server": {"port": 5}}
    assert {name: each.scope for name, each in config.origins.items()} == {
        "size": "command-line",
        "token": "secret",
        "server": "command-line",
    }
    given.tell("my-plugin", {"size": 6})
    assert given.read(MANIFEST).values["size"] == 6
    assert given.told("my-plugin") == {"size": 6}


def test_variables_of_two_plugins_never_meet():
    assert plugin_variable("my-plugin", "api_key") == "DEVKIT_PLUGIN_MY_PLUGIN__API_KEY"
    assert plugin_variable("my-plugin-api", "key") != plugin_variable("my-plugin", "api_key")


def test_secrets_stand_apart_and_private(places):
    settings = PluginSettings(places, {})
    settings.set(MANIFEST, "token", "hunter2")
    secret, plain = settings.file("my-plugin", secret=True), settings.file("my-plugin")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert not plain.exists()
    secret.chmod(0o640)
    with pytest.raises(ConfigError) as refused:
        settings.read(MANIFEST)
    assert refused.value.code == "plugin-config-exposed"


def test_a_secret_in_the_plain_file_is_refused_unseen(places):
    settings = PluginSettings(places, {})
    settings.file("my-plugin").parent.mkdir(parents=True)
    settings.file("my-plugin").write_text('token = "hunter2"\nsize = "x"\n')
    with pytest.raises(ConfigError, match="doesn't go here") as refused:
        settings.read(MANIFEST)
    assert "hunter2" not in repr(refused.value.problems)
    assert refused.value.place.line == 1


@pytest.mark.parametrize(
    "content", [b"size = ", b"\xff", b"size = 1\nsize = 2\n", b'token = "hunter2', b"x" * 300_000]
)
def test_damaged_files_are_named(places, content):
    settings = PluginSettings(places, {})
    for secret in (False, True):
        path = settings.file("my-plugin", secret=secret)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(ConfigError) as refused:
            settings.read(MANIFEST)
        assert refused.value.code == "plugin-config-unreadable"
        assert refused.value.place.path == str(path)
        assert refused.value.place.text is None
        with pytest.raises((ConfigError, StateError)):
            settings.set(MANIFEST, "token" if secret else "size", "3")
        assert path.read_bytes() == content
        path.unlink()


def test_set_keeps_comments_and_checks_first(places):
    settings = PluginSettings(places, {})
    path = settings.file("my-plugin")
    path.parent.mkdir(parents=True)
    path.write_text("# mine\nsize = 1 # small\n")
    assert settings.set(MANIFEST, "server.port", "8") == (8, path)
    assert settings.set(MANIFEST, "size", "2", dry_run=True)[0] == 2
    assert path.read_text().startswith("# mine\nsize = 1 # small\n")
    before = path.read_text()
    for key, text in (("size", "x"), ("server.port", "0")):
        with pytest.raises(ConfigError):
            settings.set(MANIFEST, key, text)
    for key in ("nothing", "server.nothing", "size.more", ""):
        with pytest.raises(NotFound):
            settings.set(MANIFEST, key, "1")
    assert path.read_text() == before
    assert settings.unset(MANIFEST, "server.port", dry_run=True) == (True, path)
    assert settings.unset(MANIFEST, "server.port") == (True, path)
    assert settings.unset(MANIFEST, "server.port") == (False, path)
    assert settings.read(MANIFEST).values == {"size": 1}


def test_wrong_texts_name_their_source(places):
    with pytest.raises(ConfigError) as refused:
        PluginSettings(places, {"DEVKIT_PLUGIN_MY_PLUGIN__SIZE": "x"}).read(MANIFEST)
    assert refused.value.place.path == "DEVKIT_PLUGIN_MY_PLUGIN__SIZE"
    with pytest.raises(NotFound):
        PluginSettings(places, {}, {"my-plugin": {"nope": "x"}}).read(MANIFEST)
    with pytest.raises(UsageError):
        given_texts(("size",))
    assert given_texts(("a=b=c", "d=")) == {"a": "b=c", "d": ""}
