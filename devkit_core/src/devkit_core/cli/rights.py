"""A plugin's rights as the command line shows them: asked, granted, withheld."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devkit_core.cli.wording import enforced_by, meaning
from devkit_core.model.permissions import parse_permission
from devkit_core.running.blueprints import authority_of
from devkit_core.sandbox.probe import Enforcement, probe

if TYPE_CHECKING:
    from devkit_core.cli.session import Session
    from devkit_core.model.permissions import Permission
    from devkit_core.model.types import Discovered

__all__ = ["Rights", "rights_of"]


@dataclass(frozen=True, slots=True)
class Rights:
    """What one plugin asks for, has, and doesn't have; in order of the texts.

    `denied` are those of `withheld` that are granted, and that a policy took away.
    """

    plugin: str
    asked: tuple[Permission, ...]
    granted: tuple[Permission, ...]
    withheld: tuple[Permission, ...]
    denied: tuple[Permission, ...]
    enforcement: Enforcement

    def command(self) -> str | None:
        """Return the command that grants what is withheld, or None where no grant would help."""
        words = [shlex.quote(str(each)) for each in self.withheld if each not in self.denied]
        return f"devkit plugin permissions grant {self.plugin} {' '.join(words)}" if words else None

    def summary(self) -> str:
        """Return one line a right."""
        if not self.asked:
            return "none asked"
        lines = [f"granted: {each} (may {meaning(each)})" for each in self.granted]
        lines += [f"{self.state(each)}: {each} (would let it {meaning(each)})" for each in self.withheld]
        return "\n".join(lines) or ", ".join(str(each) for each in self.asked)

    def state(self, permission: Permission) -> str:
        """Return what became of a right that was asked for."""
        if permission in self.denied:
            return "withheld by a policy"
        if permission in self.withheld:
            return "withheld"
        return "granted" if permission in self.granted else "asked"

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "asked": [str(each) for each in self.asked],
            "granted": [str(each) for each in self.granted],
            "withheld": [str(each) for each in self.withheld],
            "denied": [str(each) for each in self.denied],
            "meanings": {str(each): meaning(each) for each in self._all()},
            "enforced_by": {str(each): enforced_by(each, self.enforcement) for each in self._all()},
            "grant_command": self.command(),
        }

    def _all(self) -> list[Permission]:
        return sorted({*self.asked, *self.granted, *self.withheld}, key=str)


def rights_of(session: Session, found: Discovered) -> Rights:
    """Return the rights that a plugin whose manifest was read would have if it were loaded now."""
    assert found.manifest is not None
    authority = authority_of(
        found.manifest, found.folder, session.settings.config, session.extensions, session.state
    )
    return Rights(
        found.id,
        tuple(sorted((parse_permission(each) for each in found.manifest.permissions), key=str)),
        tuple(sorted(authority.granted, key=str)),
        tuple(sorted(authority.withheld, key=str)),
        tuple(sorted(authority.denied, key=str)),
        probe(),
    )
