"""asked ∩ granted ∩ policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit_core.errors import ExtensionError, UsageError
from devkit_core.model.permissions import PermissionRequest, parse_permission
from devkit_core.sandbox.authority import NOTHING, decide


def texts(permissions: object) -> set[str]:
    return {str(p) for p in permissions}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("asked", "granted", "given_", "withheld"),
    [
        ([], [], [], []),
        ([], ["process:spawn"], [], []),
        (["filesystem:read"], [], [], ["filesystem:read"]),
        (["filesystem:read"], ["filesystem:read"], ["filesystem:read"], []),
        (["FileSystemRead"], ["filesystem_read"], ["filesystem:read"], []),
        (["filesystem:read"], ["filesystem:read-write"], ["filesystem:read"], []),
        (["filesystem:read-write"], ["filesystem:read"], ["filesystem:read"], ["filesystem:write"]),
        (["filesystem:read-write"], ["filesystem:read", "filesystem:write"], ["filesystem:read-write"], []),
        (["filesystem:read=$CWD/a"], ["filesystem:read"], ["filesystem:read=$CWD/a"], []),
        (["filesystem:read"], ["filesystem:read=$CWD/a"], ["filesystem:read=$CWD/a"], ["filesystem:read"]),
        (["filesystem:read"], ["filesystem:read=/srv"], [], ["filesystem:read"]),
        (["network:access"], ["network:https"], ["network:https"], ["network:http"]),
        (["network:https"], ["network:access"], ["network:https"], []),
        (["network:https"], ["network:connect=a:443"], ["network:connect=a:443"], ["network:https"]),
        (["network:connect=localhost:443"], ["network:https"], [], ["network:connect=localhost:443"]),
        (["network:https", "network:none"], ["network:https"], [], ["network:https"]),
        (["network:https"], ["network:https", "network:none"], [], ["network:https"]),
        (["network:none"], [], [], []),
        (["ai-services"], ["ai-services"], ["ai-services"], []),
        (["environment:read=A", "environment:read=B"], ["environment:read=A"], ["environment:read=A"],
         ["environment:read=B"]),
    ],
)  # fmt: skip
def test_intersection(asked: list[str], granted: list[str], given_: list[str], withheld: list[str]) -> None:
    authority = decide(asked, granted, plugin="x")
    assert texts(authority.granted) == set(given_)
    assert texts(authority.withheld) == set(withheld)


SOME = st.sampled_from(
    ["filesystem:read", "filesystem:write", "filesystem:read-write", "filesystem:read=$CWD/a", "network:http",
     "network:https", "network:access", "network:none", "process:spawn", "environment:read=A", "ai-services"]
)  # fmt: skip


@given(st.lists(SOME), st.lists(SOME), st.sets(SOME))
def test_never_more_than_asked_granted_or_left(
    asked: list[str], granted: list[str], refused: set[str]
) -> None:
    def policy(request: PermissionRequest) -> bool | None:
        return str(request.permission) not in refused

    authority = decide(asked, granted, plugin="x", policy=policy)
    for right in authority.granted:
        for part in right.parts():
            assert any(parse_permission(text).covers(part) for text in granted)
            assert any(parse_permission(t).covers(part) for t in asked if t not in refused)
    assert not authority.granted & authority.withheld


def test_a_policy_is_asked_once_a_right_and_can_only_take_away() -> None:
    seen: list[PermissionRequest] = []

    def policy(request: PermissionRequest) -> bool | None:
        seen.append(request)
        return request.permission.domain != "network"

    authority = decide(
        ["network:https", "process:spawn", "ai-services"],
        ["network:https", "ai-services"],
        plugin="p",
        policy=policy,
    )
    assert texts(authority.granted) == {"ai-services"}
    assert texts(authority.withheld) == {"network:https", "process:spawn"}
    assert {(str(r.permission), r.granted) for r in seen} == {
        ("network:https", True),
        ("process:spawn", False),
        ("ai-services", True),
    }
    assert len(seen) == 3
    assert all(r.plugin == "p" for r in seen)


def test_a_policy_that_fails_gives_nothing() -> None:
    def policy(_: PermissionRequest) -> bool | None:
        raise ZeroDivisionError("oops")

    with pytest.raises(ExtensionError) as caught:
        decide(["process:spawn"], ["process:spawn"], plugin="p", policy=policy)
    assert caught.value.code == "policy-failed"
    assert caught.value.plugin == "p"


def test_a_text_that_is_no_permission_is_an_error() -> None:
    for asked, granted in ((["filesystem:reed"], []), ([], ["filesystem:reed"])):
        with pytest.raises(UsageError):
            decide(asked, granted, plugin="p")


def test_questions() -> None:
    grants = ["filesystem:read-write=/srv", "filesystem:read", "network:access"]
    authority = decide(grants, grants, plugin="p")
    assert authority.has("network", "https")
    assert authority.has("filesystem", "write")
    assert not authority.has("process", "spawn")
    assert authority.scopes("filesystem", "read") == [None, "/srv"]
    assert authority.scopes("filesystem", "write") == ["/srv"]
    assert not NOTHING.has("network", "https")
