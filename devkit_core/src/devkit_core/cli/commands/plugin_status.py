"""devkit plugin status: the state of everything, and the next command."""

from __future__ import annotations

from collections import Counter
from typing import Any

from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.numbers import duration
from devkit_core.cli.output import Facts, Styled, View
from devkit_core.cli.session import Session
from devkit_core.errors import StateError

__all__ = ["status"]


@command("status", examples=("devkit plugin status", "devkit plugin status --format json"))
@pass_session
def status(session: Session) -> None:
    """Show loaders, plugins by state, confinement, and what is wrong with the command to go on with."""
    from devkit_core.sandbox.probe import probe

    rows = session.rows
    counts = Counter("shadowed" if row.shadowed_by else row.status.value for row in rows)
    enforcement = probe()
    missing = enforcement.missing()
    loaders = [each.name for each in session.extensions.loaders()]
    session.extensions.load()
    running = _hosts(session)
    wrong = [*_wrong(session, loaders, missing), *_circuits(running)]
    data = {
        "plugins": {"total": len(rows), **counts},
        "plugin_dir": str(session.places.plugin_dir(session.settings.config.plugin_dir)),
        "loaders": loaders,
        "sandbox": {
            "enabled": session.settings.config.enable_sandbox,
            "enforced_by": enforcement.by,
            "missing": list(missing),
        },
        "hosts": running,
        "extensions_broken": [each.name for each in session.extensions.broken],
        "problems": wrong,
    }
    session.output.data("plugin-status/1", data, lambda: _view(data, wrong))


def _hosts(session: Session) -> list[dict[str, Any]]:
    """Return the programs of this user that run plugins now, with what each has loaded."""
    from devkit_core.running.control import ask, hosts

    found = []
    for host in hosts(session.places.runtime):
        try:
            told = ask(host, {"op": "list"}, seconds=5)
        except StateError:
            told = {}
        facts = {
            "plugins": told.get("plugins", {}),
            "circuits": told.get("circuits", {}),
            "calls": told.get("calls"),
            "failed": told.get("errors"),
        }
        found.append({"pid": host.pid, "program": host.program, **facts})
    return found


def _circuits(running: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the plugins that running hosts leave alone, as they died too often."""
    return [
        {
            "subject": plugin,
            "problem": f"died too often in {host['program']} (process {host['pid']}): its calls fail for "
            f"{duration(circuit['retry_seconds'])}",
            "next": f"devkit plugin logs {plugin}, then devkit plugin reload {plugin}",
        }
        for host in running
        for plugin, circuit in host["circuits"].items()
    ]


def _wrong(session: Session, loaders: list[str], missing: tuple[str, ...]) -> list[dict[str, str]]:
    found = [
        {
            "subject": row.id,
            "problem": f"error[{row.error_code}]: {row.error}",
            "next": f"devkit plugin check {row.folder}",
        }
        for row in session.rows
        if row.error is not None
    ]
    if not loaders:
        found.append(
            {"subject": "loaders", "problem": "none is installed", "next": "pip install devkit-loader-python"}
        )
    for each in session.extensions.broken:
        problem = each.error.message if each.error else "broken"
        found.append({"subject": f"extension {each.name}", "problem": problem, "next": "devkit doctor"})
    if missing:
        problem = f"not enforced here: {', '.join(missing)}"
        found.append({"subject": "sandbox", "problem": problem, "next": "devkit doctor"})
    if not session.settings.config.enable_sandbox:
        problem = "enable_sandbox is off: plugins run with all of your rights"
        found.append({"subject": "sandbox", "problem": problem, "next": "devkit config show"})
    return found


def _view(data: dict[str, Any], wrong: list[dict[str, str]]) -> View:
    counts = dict(data["plugins"])
    total = counts.pop("total")
    states = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    by = data["sandbox"]["enforced_by"]
    enforced = sum(means is not None for means in by.values())
    on = data["sandbox"]["enabled"]
    yield Facts(
        [
            ("plugins", f"{total} ({states})" if states else "none"),
            ("plugin folder", data["plugin_dir"]),
            ("loaders", ", ".join(data["loaders"]) or Styled("none", "bad")),
            ("sandbox", f"{'on' if on else 'off'}, {enforced} of {len(by)} rights can be enforced here"),
            (
                "running in",
                "\n".join(_host(each) for each in data["hosts"]) or "no host",
            ),
            ("problems", str(len(wrong)) if wrong else "none"),
        ]
    )
    for each in wrong:
        yield Styled(f"{each['subject']}: {each['problem']}", "bad")
        yield f"  next: {each['next']}"


def _host(host: dict[str, Any]) -> str:
    plugins = ", ".join(host["plugins"]) or "nothing"
    calls = f" ({host['calls']:,} calls, {host['failed']:,} failed)" if host["calls"] else ""
    return f"{host['program']} (process {host['pid']}): {plugins}{calls}"
