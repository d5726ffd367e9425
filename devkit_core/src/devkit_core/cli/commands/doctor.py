"""devkit doctor: this machine, what is installed, what is wrong."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import click

from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.output import Look, Styled, View
from devkit_core.cli.session import Session
from devkit_core.config.sources import read
from devkit_core.errors import DevKitError
from devkit_core.loading.extending import Finding

__all__ = ["doctor"]

_LOOKS: dict[str, Look] = {"info": "dim", "warning": "warn", "error": "bad"}


@command("doctor", examples=("devkit doctor", "devkit doctor --format json"))
@click.pass_context
@pass_session
def doctor(session: Session, context: click.Context) -> None:
    """Check Python, confinement, loaders, extensions, plugins and DevKit's own files. Runs no plugin.

    The exit code is 1 where something is an error.
    """
    found = list(_all(session))
    ok = not any(finding.level == "error" for _, finding in found)
    session.output.data(
        "doctor/1",
        {"ok": ok, "findings": [_as_data(name, finding) for name, finding in found]},
        lambda: _view(found),
    )
    if not ok:
        context.exit(Exit.FAILED)


def _as_data(check: str, finding: Finding) -> dict[str, Any]:
    return {
        "check": check,
        "subject": finding.subject,
        "level": finding.level,
        "message": finding.message,
        "hint": finding.hint,
    }


def _view(found: list[tuple[str, Finding]]) -> View:
    shown = None
    for name, finding in found:
        if name != shown:
            yield Styled(name, "strong")
            shown = name
        line = f"  {finding.level:<7}  {finding.subject}: {finding.message}"
        yield Styled(line, _LOOKS[finding.level]) if finding.level in _LOOKS else line
        if finding.hint and finding.level != "ok":
            yield f"           help: {finding.hint}"


def _all(session: Session) -> Iterator[tuple[str, Finding]]:
    own = {
        "machine": _machine,
        "confinement": _confinement,
        "settings": _settings,
        "places": _places,
        "record": _record,
        "loaders": _loaders,
        "plugins": _plugins,
    }
    for name, run in own.items():
        yield from ((name, finding) for finding in _guarded(name, partial(run, session)))
    for check in session.extensions.checks():
        yield from ((check.name, finding) for finding in _guarded(check.name, check.run))
    # Last, since what the checks above did may have broken one more.
    yield from (("extensions", finding) for finding in _extensions(session))


def _guarded(name: str, run: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Run one check; one that fails is a finding, and stops no other."""
    try:
        return [finding for finding in run() if isinstance(finding, Finding)]
    except DevKitError as error:
        return [Finding(name, "error", f"{error.code}: {error.message}", error.hint)]
    except Exception as error:  # noqa: BLE001 - an extension's check may raise anything
        return [Finding(name, "error", f"the check failed: {type(error).__name__}: {error}")]


def _machine(_session: Session) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Finding("system", "ok", f"{platform.system()} {platform.release()} on {platform.machine()}")


def _confinement(session: Session) -> Iterator[Finding]:
    from devkit_core.sandbox.probe import probe

    if not read(session.places).config.enable_sandbox:
        yield Finding("enable_sandbox", "warning", "off: plugins run with all rights of this user")
    found = probe()
    for right, means, meaning in found.as_rows():
        text = f"a plugin without the right {meaning}"
        if right in found.missing():
            hint = "plugins that weren't granted it are refused, unless --allow-unconfined"
            yield Finding(right, "warning", f"nothing enforces here that {text}", hint)
        else:
            yield Finding(right, "ok", f"{means}: {text}")
    if found.reason:
        yield Finding("kernel", "info", found.reason)


def _settings(session: Session) -> Iterator[Finding]:
    loaded = read(session.places)
    for problem in loaded.problems:
        level = "warning" if problem.warning else "error"
        where = str(problem.place) if problem.place else "settings"
        yield Finding(where, "warning" if level == "warning" else "error", problem.message, problem.hint)
    if not loaded.problems:
        changed = sum(origin.scope != "default" for origin in loaded.origins.values())
        yield Finding("settings", "ok", f"{changed} of {len(loaded.origins)} set")


def _places(session: Session) -> Iterator[Finding]:
    places = session.places
    for name, folder, needed in (
        ("state", places.state, True),
        ("runtime", places.runtime, True),
        ("data", places.data, False),
        ("cache", places.cache, False),
    ):
        existing = folder
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if os.access(existing, os.W_OK | os.X_OK) and existing.is_dir():
            yield Finding(name, "ok", str(folder))
        else:
            hint = "change its owner or rights, or set DEVKIT_HOME to a folder of yours"
            yield Finding(name, "error" if needed else "warning", f"{folder} can't be written", hint)


def _record(session: Session) -> Iterator[Finding]:
    grants = session.state.grants()
    yield Finding("grants", "ok", f"plugins with some: {len(grants)} ({session.state.path})")


def _loaders(session: Session) -> Iterator[Finding]:
    loaders = session.extensions.loaders()
    for each in loaders:
        runs = " ".join(sorted(each.extensions)) or "what it recognises"
        yield Finding(each.name, "ok", f"runs {runs}; confined by: {each.confinement}")
    if not loaders:
        yield Finding("loaders", "error", "none is installed", "pip install devkit-loader-python")
    for name, version in session.extensions.runtimes().items():
        yield Finding(name, "ok", version)


def _plugins(session: Session) -> Iterator[Finding]:
    fine = 0
    for each in session.plugins:
        if each.error is not None:
            hint = each.error.hint or f"devkit plugin check {each.folder}"
            yield Finding(each.id, "error", f"{each.error.code}: {each.error.message} ({each.folder})", hint)
        elif each.shadowed_by is not None:
            yield Finding(
                each.id, "info", f"{each.folder} of {each.source} is shadowed by {each.shadowed_by}'s"
            )
        else:
            fine += 1
    yield Finding("usable", "ok", str(fine))


def _extensions(session: Session) -> Iterator[Finding]:
    session.extensions.load()
    for record in session.extensions.broken:
        message = record.error.message if record.error else "broken"
        hint = record.error.hint if record.error else None
        yield Finding(f"{record.name} {record.version}".strip(), "error", message, hint)
    for record in session.extensions.records:
        if record.disabled:
            yield Finding(record.name, "info", f"disabled ({record.distribution})")
        elif record.error is None:
            yield Finding(record.name, "ok", f"{record.distribution} {record.version}")
