"""What a command asks of running hosts, and their answers."""

from __future__ import annotations

from typing import Any

from devkit_core.cli.errors import render
from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError
from devkit_core.running.control import ask, hosts

__all__ = ["ask_hosts", "tell_answers"]

_NOT_THERE = ("plugin-not-loaded", "plugin-not-found")


def ask_hosts(session: Session, request: dict[str, Any], dry_run: bool) -> list[dict[str, Any]]:
    """Return what each host answered that has the plugin: its process id, program, and error or None.

    With `dry_run` they are only asked which plugins they have.
    """
    found = []
    for host in hosts(session.places.runtime):
        try:
            answer = ask(host, {"op": "list"} if dry_run else request)
            error = answer.get("error")
        except DevKitError as unreachable:
            answer, error = {}, unreachable.as_dict()
        if isinstance(error, dict) and error.get("code") in _NOT_THERE:
            continue
        if dry_run and error is None and request["id"] not in answer.get("plugins", ()):
            continue
        found.append({"pid": host.pid, "program": host.program, "error": error})
    return found


def tell_answers(session: Session, plugin: str, answers: list[dict[str, Any]], done: str) -> Exit:
    """Say for a human what came of it, `done` where it went well; return how the command ends."""
    failed = 0
    for each in answers:
        where = f"in {each['program'] or 'a host'} (process {each['pid']})"
        error = each["error"]
        if error is None:
            session.output.say(f"{plugin} {where}: {done}")
            continue
        failed += 1
        if session.format != "json":
            told = DevKitError(
                f"{error.get('message')} {where}", code=str(error.get("code")), hint=error.get("hint")
            )
            session.output.error_text(render(told, colour=session.output.error_colour))
    if not failed:
        return Exit.DONE
    return Exit.FAILED if failed == len(answers) else Exit.SOME_FAILED
