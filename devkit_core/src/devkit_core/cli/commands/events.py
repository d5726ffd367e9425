"""devkit events: what happens in running hosts, lately or as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from devkit_core.cli.escaping import escape
from devkit_core.cli.following import clock, follow_hosts, refusal
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Look, Styled, View
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.session import Session
from devkit_core.errors import StateError, UsageError
from devkit_core.events.bus import EventFilter, EventKind
from devkit_core.running.control import Host, ask, hosts

__all__ = ["event_line", "events"]

_LOOKS: Mapping[str, Look] = {
    EventKind.PLUGIN_ERROR: "bad",
    EventKind.RELOAD_FAILED: "bad",
    EventKind.EVENTS_MISSED: "warn",
    EventKind.PLUGIN_LOADED: "good",
    EventKind.RELOAD_SUCCEEDED: "good",
}


@command(
    "events",
    streams=True,
    examples=(
        "devkit events",
        "devkit events --follow",
        "devkit events --follow --format jsonl --plugin test-plugin",
        "devkit events --follow --kind reload-failed --kind plugin-error",
    ),
)
@click.option("-f", "--follow", is_flag=True, help="Show events as they happen, until Ctrl-C.")
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="ID",
    shell_complete=complete_plugin,
    help="Only events of this plugin; may be given several times.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only events of this kind, as reload-failed; may be given several times.",
)
@pass_session
def events(session: Session, *, follow: bool, plugins: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """Show the last events of your running hosts, or with --follow those to come, also of later hosts."""
    wanted = EventFilter.of(plugins, kinds)
    request = {"op": "events", "plugins": sorted(wanted.plugins), "kinds": sorted(wanted.kinds)}
    if not follow:
        _recent(session, request)
        return
    if session.format in ("json", "yaml"):
        raise UsageError(
            f"a stream has no end, so it can't be one document of {session.format}",
            hint="devkit events --follow --format jsonl",
        )
    from devkit_core.cli import eventloop

    eventloop.run(_follow(session, {**request, "follow": True}))


async def _follow(session: Session, request: Mapping[str, Any]) -> None:
    runtime = session.places.runtime
    if not hosts(runtime):
        session.output.say("no host runs plugins now; waiting for one")
    async for host, answer in follow_hosts(runtime, request):
        if "kind" in answer:
            session.output.item("event/1", _data(host, answer), event_line(answer))


def _recent(session: Session, request: Mapping[str, Any]) -> None:
    found = list(_of_hosts(session, request))
    found.sort(key=lambda event: event["time"])
    if session.format == "jsonl":
        for event in found:
            session.output.item("event/1", event, "")
        return
    session.output.data("events/1", {"events": found}, lambda: _view(found))


def _of_hosts(session: Session, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    running = hosts(session.places.runtime)
    if not running:
        session.output.say("no host runs plugins now")
    for host in running:
        try:
            answer = ask(host, request, seconds=5)
        except StateError as error:
            session.output.warn(error.message, hint=error.hint)
            continue
        if (refused := refusal(answer)) is not None:
            raise refused
        yield from (_data(host, event) for event in answer["events"])


def _data(host: Host, event: Mapping[str, Any]) -> dict[str, Any]:
    return {"pid": host.pid, "program": host.program, **event}


def _view(found: list[dict[str, Any]]) -> View:
    return [event_line(event) for event in found]


def _rounded(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def event_line(event: Mapping[str, Any]) -> str | Styled:
    """Return an event as a line for a human."""
    facts = " ".join(
        f"{key}={escape(value) if isinstance(value, str) else json.dumps(_rounded(value))}"
        for key, value in event["data"].items()
        if value is not None
    )
    text = f"{clock(event['time'])} {event['kind']:<22} {event['plugin'] or '-'}  {facts}".rstrip()
    look = _LOOKS.get(event["kind"])
    return Styled(text, look) if look else text
