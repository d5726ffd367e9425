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
    """What one plugin asks for, has, and doesn't have; in order of the texts."""

    plugin: str
    asked: tuple[Permission, ...]
    granted: tuple[Permission, ...]
    withheld: tuple[Permission, ...]
    enforcement: Enforcement

    def command(self) -> str:
        """Return the command that grants what is withheld."""
        words = [shlex.quote(str(each)) for each in self.withheld]
        return f"devkit plugin permissions grant {self.plugin} {' '.join(words)}"

    def summary(self) -> str:
        """Return one line a right."""
        if not self.asked:
            return "none asked"
        lines = [f"granted: {each} (may {meaning(each)})" for each in self.granted]
        lines += [f"withheld: {each} (would let it {meaning(each)})" for each in self.withheld]
        return "\n".join(lines) or ", ".join(str(each) for each in self.asked)

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "asked": [str(each) for each in self.asked],
            "granted": [str(each) for each in self.granted],
            "withheld": [str(each) for each in self.withheld],
            "meanings": {str(each): meaning(each) for each in self._all()},
            "enforced_by": {str(each): enforced_by(each, self.enforcement) for each in self._all()},
            "grant_command": self.command() if self.withheld else None,
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
        probe(),
    )
