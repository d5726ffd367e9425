"""What commands that call plugins share."""

from __future__ import annotations

import base64
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devkit_core.cli.rights import rights_of
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError
from devkit_core.events.bus import EventKind, PluginEvent
from devkit_core.events.logs import LogLine
from devkit_core.manager import PluginManager

__all__ = ["as_data", "prepare", "progress_shown", "tell_withheld"]


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
            session.output.detail(f"{line.plugin} {line.level or line.stream}: {line.text}")

    manager.logs.follow(show)


@contextlib.contextmanager
def progress_shown(session: Session, manager: PluginManager, plugin: str) -> Iterator[Callable[[], None]]:
    """Show on one line of a terminal how far the plugin says it is; what is yielded takes the line away."""
    output = session.output
    if sys.stderr is None or not sys.stderr.isatty() or not output.talks:
        yield lambda: None
        return

    def show(event: PluginEvent) -> None:
        output.redraw(_progress(event.data))

    stop = manager.listen(show, plugins=[plugin], kinds=[EventKind.PLUGIN_PROGRESS])
    try:
        yield lambda: output.redraw("")
    finally:
        stop()
        output.redraw("")


def _progress(data: Mapping[str, Any]) -> str:
    done, total, message = data["done"], data["total"], data["message"]
    text = f"{min(100, 100 * done / total):.0f} %" if total else f"{done:,.0f}"
    return f"{text} {message}".rstrip()


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
