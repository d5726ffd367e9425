"""Spelling of permissions, what covers what, and hostile texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import UsageError
from devkit_core.model.permissions import KNOWN, Permission, parse_permission, refused_variable, within


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("filesystem:read", "filesystem:read"),
        ("filesystem:read-write", "filesystem:read-write"),
        ("filesystem:read=$CWD", "filesystem:read=$CWD"),
        ("filesystem:read=$CWD/", "filesystem:read=$CWD"),
        ("filesystem:write=$SCRATCH//a/./b/", "filesystem:write=$SCRATCH/a/b"),
        ("filesystem:read=/srv//data/", "filesystem:read=/srv/data"),
        ("filesystem:read=//srv", "filesystem:read=/srv"),
        ("filesystem:read=/", "filesystem:read=/"),
        ("filesystem:read=/name with = and space", "filesystem:read=/name with = and space"),
        ("network:connect=Example.COM:5432", "network:connect=example.com:5432"),
        ("network:connect=example.com.:080", "network:connect=example.com:80"),
        ("network:connect=[FD00::0:1]:22", "network:connect=[fd00::1]:22"),
        ("environment:read=HOME", "environment:read=HOME"),
        ("environment:read", "environment:read"),
        # the first DevKit's spellings
        ("FileSystemRead", "filesystem:read"),
        ("filesystem_read", "filesystem:read"),
        ("filesystem-write", "filesystem:write"),
        ("FileSystem:Read_Write", "filesystem:read-write"),
        ("filesystem_read=/srv", "filesystem:read=/srv"),
        ("ProcessExecution", "process:spawn"),
        ("process_execution", "process:spawn"),
        ("NetworkAccess", "network:access"),
        ("network_http", "network:http"),
        ("EnvironmentAccess", "environment:read"),
        ("SystemInfo", "system:info"),
        # names of their own
        ("ai-services", "ai-services"),
        ("vendor:thing", "vendor:thing"),
        ("custom:filesystem:read", "custom:filesystem:read"),
    ],
)
def test_spellings(text: str, canonical: str) -> None:
    permission = parse_permission(text)
    assert str(permission) == canonical
    assert parse_permission(canonical) == permission
    assert permission.is_custom == (permission.domain not in {domain for domain, _ in KNOWN})


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "filesystem:",
        "filesystem:reed",
        "network:ftp",
        "process:kill",
        "network:connect",
        "network:connect=",
        "network:connect=host",
        "network:connect=host:0",
        "network:connect=host:65536",
        "network:connect=host:99999999999999999999",
        "network:connect=host:٤",
        "network:connect=ho st:1",
        "network:connect=-x:1",
        "network:connect=a..b:1",
        "network:connect=[::1",
        "network:connect=[1.2.3.4]:1",
        "network:connect=::1:80",
        "network:connect=[fe80::1%eth0]:80",
        "network:connect=" + "a" * 254 + ":1",
        "network:http=example.com",
        "process:spawn=/bin/sh",
        "system:info=cpu",
        "filesystem:read=",
        "filesystem:read=.",
        "filesystem:read=data",
        "filesystem:read=~/data",
        "filesystem:read=$HOME/data",
        "filesystem:read=$CWD/../x",
        "filesystem:read=/srv/..",
        "filesystem:read=$CWDX",
        "environment:read=",
        "environment:read=A B",
        "environment:read=1A",
        "environment:read=LD_PRELOAD",
        "environment:read=PYTHONPATH",
        "filesystem:read\n",
        "filesystem:read=/a\x00b",
        "a\x1b[31mb",
        "a\u202eb",
        "a b",
        "é",
        "x" * 129,
        "filesystem:read=/" + "x" * 1024,
        "=",
        "=x",
    ],
)
def test_what_is_no_permission(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_permission(text)
    assert caught.value.code == "permission-invalid"
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_a_near_action_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        parse_permission("filesystem:reed")
    assert "filesystem:read" in (caught.value.hint or "")


@given(
    st.text(max_size=60)
    | st.from_regex(r"(filesystem|network|environment|process):[a-z-]+(=.*)?", fullmatch=True)
)
def test_any_text_is_a_stable_permission_or_a_typed_error(text: str) -> None:
    try:
        permission = parse_permission(text)
    except UsageError:
        return
    assert str(permission).isprintable()
    assert parse_permission(str(permission)) == permission
    assert permission.covers(permission)
    assert ".." not in (permission.scope or "").split("/")


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("filesystem:read-write", "filesystem:read"),
        ("filesystem:read-write", "filesystem:write=$CWD/a"),
        ("filesystem:read", "filesystem:read=$CWD"),
        ("filesystem:read", "filesystem:read=$PLUGIN/data"),
        ("filesystem:read=$CWD", "filesystem:read=$CWD/a/b"),
        ("filesystem:read=/", "filesystem:read=/srv"),
        ("filesystem:write", "filesystem:write=$CWD"),
        ("network:access", "network:https"),
    ],
)
def test_covers(wide: str, narrow: str) -> None:
    one, other = parse_permission(wide), parse_permission(narrow)
    assert one.covers(other)
    assert not other.covers(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("filesystem:read", "filesystem:write"),
        ("filesystem:read", "filesystem:read=/srv"),
        ("filesystem:read", "filesystem:read=$SCRATCH"),
        ("filesystem:write", "filesystem:write=$PLUGIN"),
        ("filesystem:read=$CWD/a", "filesystem:read=$CWD/ab"),
        ("filesystem:read=$CWD", "filesystem:read"),
        ("network:https", "network:http"),
        ("network:https", "network:connect=localhost:443"),
        ("network:connect=a.test:1", "network:connect=b.test:1"),
        ("environment:read", "environment:read=TOKEN"),
        ("environment:read=A", "environment:read=AB"),
        ("process:spawn", "system:info"),
        ("ai-services", "ai-services2"),
    ],
)
def test_does_not_cover(one: str, other: str) -> None:
    assert not parse_permission(one).covers(parse_permission(other))


def test_an_endpoint_narrows_the_web_on_its_port() -> None:
    https = parse_permission("network:https")
    assert parse_permission("network:connect=api.test:443").narrows(https)
    assert parse_permission("network:connect=api.test:443").narrows(parse_permission("network:access"))
    assert not parse_permission("network:connect=api.test:80").narrows(https)
    assert not parse_permission("filesystem:read").narrows(https)


def test_within_goes_step_by_step() -> None:
    assert within("/a/b", "/a")
    assert within("/a", "/a")
    assert within("/a", "/")
    assert not within("/ab", "/a")
    assert not within("/", "/a")


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "ld_preload", "PYTHONPATH", "NODE_OPTIONS", "BASH_ENV", "ENV", "DEVKIT_TOKEN"]
)
def test_refused_variables(name: str) -> None:
    assert refused_variable(name)


@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "API_KEY", "ENVIRONMENT", "ALD_X"])
def test_other_variables(name: str) -> None:
    assert not refused_variable(name)


def test_permissions_are_values() -> None:
    assert {parse_permission("FileSystemRead"), Permission("filesystem", "read")} == {
        parse_permission("filesystem:read")
    }


def test_calling_other_plugins():
    other = parse_permission("plugin:call=other-plugin")
    assert str(other) == "plugin:call=other-plugin"
    assert parse_permission("plugin:call:other-plugin") == other
    every = parse_permission("plugin:call")
    assert every.covers(other)
    assert every.covers(every)
    assert not other.covers(every)
    assert other.narrows(every)
    assert not other.covers(parse_permission("plugin:call=another"))


@pytest.mark.parametrize("text", ["plugin:call=", "plugin:call=../x", "plugin:call=A", "plugin:load"])
def test_a_call_of_no_plugin(text):
    with pytest.raises(UsageError):
        parse_permission(text)
