"""devkit plugin logs: what a plugin printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from devkit_core.cli.following import clock, follow_hosts
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Styled
from devkit_core.cli.plugin_ids import plugin_argument
from devkit_core.cli.session import Session
from devkit_core.errors import StateError, UsageError
from devkit_core.events.logfile import last_run
from devkit_core.running.control import ask, hosts

__all__ = ["log_line", "logs"]


@command(
    "logs",
    streams=True,
    examples=("devkit plugin logs test-plugin", "devkit plugin logs test-plugin -f --format jsonl"),
)
@plugin_argument
@click.option("-f", "--follow", is_flag=True, help="Go on with lines as they come, until Ctrl-C.")
@click.option(
    "-n", "--lines", type=click.IntRange(0, 100_000), default=200, show_default=True, help="How many at most."
)
@pass_session
def logs(session: Session, *, plugin: str, follow: bool, lines: int) -> None:
    """Show what a plugin printed: in the hosts that run, or else in the last one that ran it."""
    if follow:
        if session.format in ("json", "yaml"):
            raise UsageError(
                f"a stream has no end, so it can't be one document of {session.format}",
                hint=f"devkit plugin logs {plugin} -f --format jsonl",
            )
        from devkit_core.cli import eventloop

        eventloop.run(_follow(session, plugin))
        return
    found = _running(session, plugin) or last_run(session.places.state / "logs", plugin)
    if not found:
        session.plugin(plugin)
        session.output.say(f"{plugin} has printed nothing")
    found = found[max(0, len(found) - lines) :]
    if session.format == "jsonl":
        for line in found:
            session.output.item("log-line/1", line, "")
        return
    session.output.data("plugin-logs/1", {"id": plugin, "lines": found}, lambda: map(log_line, found))


def _running(session: Session, plugin: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for host in hosts(session.places.runtime):
        try:
            found += ask(host, {"op": "logs", "id": plugin}, seconds=5).get("lines", [])
        except StateError as error:
            session.output.warn(error.message, hint=error.hint)
    return sorted(found, key=lambda line: float(line["time"]))


async def _follow(session: Session, plugin: str) -> None:
    if not hosts(session.places.runtime):
        session.plugin(plugin)
        session.output.say("no host runs plugins now; waiting for one")
    async for _, line in follow_hosts(session.places.runtime, {"op": "logs", "id": plugin, "follow": True}):
        if "text" in line:
            session.output.item("log-line/1", line, log_line(line))


def log_line(line: Mapping[str, Any]) -> str | Styled:
    """Return a line of output as a human reads it."""
    source = line.get("level") or line["stream"]
    fields = " ".join(f"{key}={json.dumps(value)}" for key, value in line.get("fields", {}).items())
    said = line["text"].replace("\n", "\n    ")  # so that no message forges a line of its own
    text = f"{clock(line['time'])} {source}  {said}{'  ' if fields else ''}{fields}"
    return Styled(text, "warn") if source in ("stderr", "warning", "error") else text
