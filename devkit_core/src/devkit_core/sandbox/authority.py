"""What a plugin may do: asked, granted, and left by policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from devkit_core.errors import ExtensionError
from devkit_core.model.permissions import Permission, PermissionRequest, parse_permission

__all__ = ["NOTHING", "Authority", "Policy", "decide"]

#: answers False to take a right away, None or True to leave it as it is
Policy = Callable[[PermissionRequest], bool | None]


@dataclass(frozen=True, slots=True)
class Authority:
    """The rights a plugin has, and those it asked for in vain; `decide` makes it.

    `denied` are those of `withheld` that the user granted and a policy took away.
    """

    granted: frozenset[Permission]
    withheld: frozenset[Permission]
    denied: frozenset[Permission] = frozenset()

    def has(self, domain: str, action: str) -> bool:
        """Say whether a right of that name was given, whatever its scope."""
        return any(
            part.domain == domain and part.action == action for p in self.granted for part in p.parts()
        )

    def scopes(self, domain: str, action: str) -> list[str | None]:
        """Return the scopes given with a right, None standing for the bare word, in a stable order."""
        parts = (part for p in self.granted for part in p.parts())
        found = {part.scope for part in parts if (part.domain, part.action) == (domain, action)}
        return sorted(found, key=lambda scope: scope or "")


#: the authority of a plugin that has no right at all
NOTHING = Authority(frozenset(), frozenset())


def decide(
    asked: Iterable[str], granted: Iterable[str], *, plugin: str, policy: Policy | None = None
) -> Authority:
    """Return asked ∩ granted ∩ policy; UsageError `permission-invalid` for a text that is no permission.

    A wider grant covers a narrower ask; a narrower grant gives its own part of a wider ask.
    `network:none` on either side takes every other network right away. The policy is asked once for each
    right asked, and can only take away; one that raises is an ExtensionError `policy-failed`, so that its
    failure never gives a right.
    """
    asks = {parse_permission(text) for text in asked}
    grants = {parse_permission(text) for text in granted}
    offline = any((p.domain, p.action) == ("network", "none") for p in asks | grants)
    given: set[Permission] = set()
    withheld: set[Permission] = set()
    denied: set[Permission] = set()
    for ask in sorted(asks, key=str):
        if (ask.domain, ask.action) == ("network", "none"):
            continue  # a promise, not a right
        part = _intersect(ask, grants) if not (offline and ask.domain == "network") else frozenset()
        if policy is not None and not _lets(policy, PermissionRequest(plugin, ask, bool(part))):
            denied |= {ask} if part else set()
            part = frozenset()
        given |= part
        if ask not in part:
            covered = {single for single in ask.parts() if single in part}
            withheld |= set(ask.parts()) - covered if covered else {ask}
    return Authority(frozenset(given), frozenset(withheld - given), frozenset(denied - given))


def _intersect(ask: Permission, grants: set[Permission]) -> frozenset[Permission]:
    if _covered(ask, grants):
        return frozenset({ask})
    found: set[Permission] = set()
    for single in ask.parts():
        if _covered(single, grants):
            found.add(single)
            continue
        narrower = (part for grant in grants for part in grant.parts())
        found |= {part for part in narrower if part.narrows(single)}
    return frozenset(found)


def _covered(ask: Permission, grants: set[Permission]) -> bool:
    return all(any(grant.covers(part) for grant in grants) for part in ask.parts())


def _lets(policy: Policy, request: PermissionRequest) -> bool:
    try:
        return policy(request) is not False
    except Exception as error:
        raise ExtensionError(
            f"a policy failed on {request.permission} of {request.plugin}: {type(error).__name__}: {error}",
            code="policy-failed",
            hint="`devkit doctor` shows the installed extensions; remove or mend the one that decides this",
            plugin=request.plugin,
        ) from error
