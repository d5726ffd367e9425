"""What commands that call plugins share."""

from __future__ import annotations

import base64
from typing import Any

from devkit_core.cli.rights import rights_of
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError
from devkit_core.events.logs import LogLine
from devkit_core.manager import PluginManager

__all__ = ["as_data", "prepare", "tell_withheld"]


def as_data(value: str | bytes | DevKitError) -> dict[str, Any]:
    """Return an answer, or why there is none, JSON-ready."""
    if isinstance(value, DevKitError):
        return {"ok": False, "text": None, "base64": None, "error": value.as_dict()}
    if isinstance(value, str):
        return {"ok": True, "text": value, "base64": None, "error": None}
    return {"ok": True, "text": None, "base64": base64.b64encode(value).decode(), "error": None}


def prepare(session: Session, manager: PluginManager) -> None:
    """Look for plugins, and show from now on what they print, as far as `-v` asks for it."""
    manager.discover()

    def show(line: LogLine) -> None:
        if line.stream == "note":
            session.output.say(f"{line.plugin}: {line.text}", look="dim")
        else:
            session.output.detail(f"{line.plugin} {line.stream}: {line.text}")

    manager.logs.follow(show)


def tell_withheld(session: Session, manager: PluginManager, plugin: str) -> None:
    """Say in one line what the plugin asks for and runs without."""
    found = manager.registry.find(plugin)
    if found.manifest is None or found.error is not None:
        return
    rights = rights_of(session, found)
    if rights.withheld:
        asked = ", ".join(str(each) for each in rights.withheld)
        to_grant = rights.command()
        how = f"to grant: {to_grant}" if to_grant else "withheld by a policy"
        session.output.say(f"note: {plugin} runs without {asked}; {how}", look="warn")
