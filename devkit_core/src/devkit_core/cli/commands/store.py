"""devkit store: the content of installed plugins on this disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import Group, command, dry_run, pass_session
from devkit_core.cli.installing import installer_of
from devkit_core.cli.output import Styled, Table
from devkit_core.cli.session import Session

if TYPE_CHECKING:
    from devkit_core.catalog.mending import Verified

__all__ = ["store"]

store = Group(
    name="store",
    joins="store",
    help="Check and tidy the content of installed plugins.",
    examples=("devkit store verify", "devkit store verify --repair", "devkit store gc --dry-run"),
)


@command("gc", examples=("devkit store gc", "devkit store gc --dry-run"))
@dry_run
@pass_session
def gc(session: Session, *, dry_run: bool) -> None:
    """Remove content that no installed plugin has any more, and what interrupted commands left.

    Every install and uninstall does so at its end; this is for after a crash.
    """
    installer = installer_of(session)
    plugins = installer.installed.read()
    used = [each.digest for plugin in plugins.values() for each in plugin.versions]
    removed = installer.store.unused(used)
    size = sum(installer.store.size(each) for each in removed)
    if not dry_run:
        with installer.store.staging() as staging:
            removed = installer.collect(staging)
    session.output.data(
        "store-gc/1", {"removed": removed, "bytes": size, "dry_run": dry_run}, lambda: removed
    )
    verb = "would remove" if dry_run else "removed"
    session.output.say(f"{verb} {len(removed)} of {len(removed) + len(set(used))} entries, {size} bytes")


@command("verify", examples=("devkit store verify", "devkit store verify --repair"))
@click.option("--repair", is_flag=True, help="Fetch damaged content again from where it came.")
@click.pass_context
@pass_session
def verify(session: Session, context: click.Context, *, repair: bool) -> None:
    """Hash the content of every installed version anew, and say what was changed."""
    from devkit_core.catalog.mending import verify_store

    results = verify_store(installer_of(session), repair=repair)
    bad = [each for each in results if each.problems and not each.mended]
    session.output.data(
        "store-verify/1",
        {"ok": not bad, "versions": [_as_data(each) for each in results]},
        lambda: [
            Table(
                ("ID", "VERSION", "STATE", "PROBLEM"),
                [
                    (Styled(each.id, "accent"), each.version, _state(each), "; ".join(each.problems[:3]))
                    for each in results
                ],
            )
        ],
    )
    for each in bad:
        if each.error is not None:
            session.output.warn(f"{each.id} {each.version}: {each.error.message}", hint=each.error.hint)
    if bad:
        if not repair:
            session.output.say("to fetch it again: devkit store verify --repair")
        context.exit(Exit.INTEGRITY)


def _state(each: Verified) -> Styled:
    if not each.problems:
        return Styled("good", "good")
    return Styled("mended", "warn") if each.mended else Styled("damaged", "bad")


def _as_data(each: Verified) -> dict[str, Any]:
    return {
        "id": each.id,
        "version": each.version,
        "content": each.digest,
        "current": each.current,
        "problems": list(each.problems),
        "mended": each.mended,
        "error": each.error.as_dict() if each.error else None,
    }


for each in (gc, verify):
    store.add_command(each)
