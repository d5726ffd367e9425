"""devkit plugin stats: calls, times, errors and memory in running hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.numbers import amount, bytes_of, duration
from devkit_core.cli.output import Facts, Styled, Table, View
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.session import Session
from devkit_core.errors import StateError
from devkit_core.running.control import ask, hosts

__all__ = ["host_stats", "running", "running_line", "state", "stats"]


@command(
    "stats",
    examples=(
        "devkit plugin stats",
        "devkit plugin stats test-plugin",
        "devkit plugin stats test-plugin --format json",
    ),
)
@click.argument("plugin", metavar="[ID]", required=False, shell_complete=complete_plugin)
@pass_session
def stats(session: Session, *, plugin: str | None) -> None:
    """Show the numbers of every plugin that your running hosts have, or had, loaded, or of one in detail.

    Times are those that callers saw. Memory and CPU are the worker process's own.
    """
    found = host_stats(session, plugin)
    if not any(each["stats"]["plugins"] for each in found if each["stats"]):
        if plugin is not None:
            session.plugin(plugin)
        session.output.say(f"no running host has {plugin or 'a plugin'} loaded")
    data = {"id": plugin, "hosts": found}
    session.output.data("plugin-stats/1", data, lambda: _view(found, plugin is not None))


def host_stats(session: Session, plugin: str | None) -> list[dict[str, Any]]:
    """Return each host's process id, program and numbers; of one plugin alone where it is named."""
    found: list[dict[str, Any]] = []
    for host in hosts(session.places.runtime):
        try:
            numbers = ask(host, {"op": "stats"}, seconds=5).get("stats")
        except StateError as error:
            session.output.warn(error.message, hint=error.hint)
            numbers = None
        if numbers and plugin is not None:
            numbers["plugins"] = {id: each for id, each in numbers["plugins"].items() if id == plugin}
        found.append({"pid": host.pid, "program": host.program, "stats": numbers})
    return found


def running(session: Session, plugin: str) -> list[dict[str, Any]]:
    """Return a plugin's numbers in each host that has it loaded, as `plugin info` shows them."""
    return [
        {"pid": host["pid"], "program": host["program"], "stats": numbers}
        for host in host_stats(session, plugin)
        if host["stats"]
        for numbers in host["stats"]["plugins"].values()
        if numbers["uptime_seconds"] is not None or numbers.get("circuit", "closed") != "closed"
    ]


def running_line(host: dict[str, Any]) -> str:
    """Return one of `running` as a line for a human."""
    numbers = host["stats"]
    failed = sum(numbers["errors"].values())
    calls = f"{amount(numbers['calls'])} calls, {amount(failed)} failed"
    p50 = duration(numbers["latency"]["p50"])
    return f"{host['program']} (process {host['pid']}): {calls}, p50 {p50}, {state(numbers)}"


def state(numbers: dict[str, Any]) -> str:
    """Return how a plugin does, with what its circuit says where it isn't closed."""
    circuit = numbers.get("circuit", "closed")  # a host of another version may not say
    if circuit == "closed":
        return str(numbers["health"])
    seconds = numbers.get("retry_seconds")
    tried = "is being tried" if seconds is None else f"is tried again in {duration(seconds)}"
    return f"{numbers['health']}, circuit {circuit}: {tried}"


def _view(found: list[dict[str, Any]], detailed: bool) -> View:
    rows = [
        (each, numbers) for each in found if each["stats"] for numbers in each["stats"]["plugins"].values()
    ]
    if detailed:
        for each, numbers in rows:
            yield Facts(list(_facts(each, numbers)))
    elif rows:
        columns = ["PLUGIN", "STATUS", "CALLS", "ERRORS", "P50", "P99", "RESTARTS", "MEMORY", "CPU", "HOST"]
        yield Table(columns, [_row(each, numbers) for each, numbers in rows])


def _row(host: dict[str, Any], numbers: dict[str, Any]) -> list[str | Styled]:
    failed = sum(numbers["errors"].values())
    return [
        Styled(numbers["id"], "accent"),
        numbers["status"],
        amount(numbers["calls"]),
        Styled(amount(failed), "bad") if failed else "0",
        duration(numbers["latency"]["p50"]),
        duration(numbers["latency"]["p99"]),
        amount(numbers["restarts"]),
        bytes_of(numbers["memory_bytes"]),
        duration(numbers["cpu_seconds"]),
        f"{host['program']} ({host['pid']})",
    ]


def _facts(host: dict[str, Any], numbers: dict[str, Any]) -> Iterator[tuple[str, str | Styled]]:
    latency = numbers["latency"]
    errors = ", ".join(f"{count} {code}" for code, count in sorted(numbers["errors"].items()))
    yield "plugin", Styled(numbers["id"], "accent")
    yield "host", f"{host['program']} (process {host['pid']})"
    yield "status", f"{numbers['status']}, {state(numbers)}"
    yield "calls", amount(numbers["calls"])
    yield "errors", Styled(errors, "bad") if errors else "none"
    if latency["p50"] is not None:
        names = {
            "p50": "p50",
            "p90": "p90",
            "p99": "p99",
            "p999": "p99.9",
            "longest": "longest",
            "mean": "mean",
        }
        yield "latency", ", ".join(f"{name} {duration(latency[key])}" for key, name in names.items())
    yield "in, out", f"{bytes_of(numbers['bytes_in'])}, {bytes_of(numbers['bytes_out'])}"
    yield "restarts", amount(numbers["restarts"])
    yield "reloads", amount(numbers["reloads"])
    if numbers["pid"] is not None:
        memory, cpu = bytes_of(numbers["memory_bytes"]), duration(numbers["cpu_seconds"])
        pids = numbers.get("pids") or [numbers["pid"]]
        which = f"process {pids[0]}" if len(pids) == 1 else f"processes {', '.join(map(str, pids))}"
        yield "worker" if len(pids) == 1 else "workers", f"{which}, {memory} of memory, {cpu} of CPU"
    if numbers["uptime_seconds"] is not None:
        yield "up for", duration(numbers["uptime_seconds"])
