"""devkit plugin permissions: what a plugin may do, and your say."""

from __future__ import annotations

import click

from devkit_core.cli.grammar import Child, Group, command, dry_run, pass_session, yes
from devkit_core.cli.installing import held_asks
from devkit_core.cli.output import Styled, Table
from devkit_core.cli.plugin_ids import plugin_argument
from devkit_core.cli.rights import Rights, rights_of
from devkit_core.cli.session import Session
from devkit_core.cli.suggestions import did_you_mean
from devkit_core.cli.wording import enforced_by, meaning
from devkit_core.errors import PermissionDenied, UsageError
from devkit_core.model.permissions import Permission, parse_permission

__all__ = ["permissions"]

permissions = Group(
    name="permissions",
    joins="plugin permissions",
    children={
        "diff": Child(
            "devkit_core.cli.commands.plugin_update:diff", "Show what an update would ask for anew."
        )
    },
    help="Show, grant and revoke what a plugin may do.",
    examples=(
        "devkit plugin permissions show test-plugin",
        "devkit plugin permissions grant todo-scanner filesystem:read",
        "devkit plugin permissions revoke todo-scanner --all",
    ),
)


@command(
    "show",
    examples=(
        "devkit plugin permissions show todo-scanner",
        "devkit plugin permissions show todo-scanner --format json",
    ),
)
@plugin_argument
@pass_session
def show(session: Session, plugin: str) -> None:
    """Show what a plugin asks for, what it has, what each means and what enforces it on this machine."""
    found, _manifest = session.usable(plugin)
    rights = rights_of(session, found)

    def view() -> list[Table]:
        rows = [
            (
                str(each),
                _state(each, rights),
                enforced_by(each, rights.enforcement) or "nothing here",
                meaning(each),
            )
            for each in sorted({*rights.asked, *rights.granted, *rights.withheld}, key=str)
        ]
        return [Table(("PERMISSION", "STATE", "ENFORCED BY", "MEANING"), rows)] if rows else []

    session.output.data("plugin-permissions/1", {"id": plugin, **rights.as_data()}, view)
    if not rights.asked:
        session.output.say(
            f"{plugin} asks for nothing: it reads its own folder and writes its scratch folder"
        )
    elif to_grant := rights.command():
        session.output.say(f"to grant what is withheld: {to_grant}")


def _state(permission: Permission, rights: Rights) -> Styled:
    state = rights.state(permission)
    return Styled(state, "good" if state == "granted" else "dim" if state == "asked" else "warn")


@command(
    "grant",
    examples=(
        "devkit plugin permissions grant todo-scanner filesystem:read",
        "devkit plugin permissions grant todo-scanner --all --yes",
        "devkit plugin permissions grant todo-scanner filesystem:read='$CWD/src' --dry-run",
    ),
)
@plugin_argument
@click.argument("wanted", nargs=-1, metavar="[PERMISSION…]")
@click.option("--all", "everything", is_flag=True, help="Grant all that the plugin asks for.")
@yes
@dry_run
@pass_session
def grant(
    session: Session, *, plugin: str, wanted: tuple[str, ...], everything: bool, yes: bool, dry_run: bool
) -> None:
    """Let a plugin have permissions that it asks for, or that an update asks for, or narrower ones.

    The grant is bound to this folder and this author. Naming the permissions is the consent; `--all` asks
    for a confirmation.
    """
    found, manifest = session.usable(plugin)
    rights = rights_of(session, found)
    if everything == bool(wanted):
        raise UsageError("name the permissions, or --all", hint=f"devkit plugin permissions show {plugin}")
    chosen = rights.asked if everything else tuple(parse_permission(each) for each in wanted)
    grantable = (*rights.asked, *held_asks(session, found))
    for each in chosen:
        if not any(each.narrows(asked) or asked == each for asked in grantable):
            asks = ", ".join(str(asked) for asked in grantable) or "nothing"
            near = did_you_mean(str(each), (str(asked) for asked in grantable))
            raise PermissionDenied(
                f"{plugin} doesn't ask for {each}, so it can't be granted",
                code="permission-not-asked",
                hint=near or f"it asks for: {asks}",
                plugin=plugin,
            )
    for each in chosen:
        session.output.say(f"{plugin} asks to {meaning(each)} ({each})")
    if everything and chosen and not yes and not dry_run:
        again = f"devkit plugin permissions grant {plugin} --all --yes"
        _confirm(session, f"Grant all {len(chosen)}?", again)
    if not dry_run and chosen:
        session.state.grant(
            plugin,
            found.folder,
            [str(each) for each in chosen],
            version=manifest.version,
            publisher=manifest.metadata.author,
        )
        rights = rights_of(session, found)
    texts = ", ".join(str(each) for each in chosen) or "nothing, it asks for nothing"
    session.output.say(f"{'would grant' if dry_run else 'granted'}: {texts}")
    session.output.data(
        "plugin-grant/1",
        {"id": plugin, "chosen": [str(each) for each in chosen], "dry_run": dry_run, **rights.as_data()},
        lambda: [],
    )


@command(
    "revoke",
    examples=(
        "devkit plugin permissions revoke todo-scanner filesystem:read",
        "devkit plugin permissions revoke todo-scanner --all",
    ),
)
@plugin_argument
@click.argument("unwanted", nargs=-1, metavar="[PERMISSION…]")
@click.option("--all", "everything", is_flag=True, help="Revoke all that was granted.")
@dry_run
@pass_session
def revoke(session: Session, plugin: str, unwanted: tuple[str, ...], everything: bool, dry_run: bool) -> None:
    """Take permissions away from a plugin; a host that has it loaded obeys when it loads it next."""
    found = session.plugin(plugin)
    if everything == bool(unwanted):
        raise UsageError("name the permissions, or --all", hint=f"devkit plugin permissions show {plugin}")
    named = None if everything else [str(parse_permission(each)) for each in unwanted]
    before = session.state.granted(plugin, found.folder)
    if dry_run:
        covering = [parse_permission(each) for each in (before if named is None else named)]
        gone = tuple(each for each in before if any(one.covers(parse_permission(each)) for one in covering))
    else:
        gone = session.state.revoke(plugin, found.folder, named)
    left = (
        [each for each in before if each not in gone]
        if dry_run
        else session.state.granted(plugin, found.folder)
    )
    session.output.say(
        f"{'would revoke' if dry_run else 'revoked'}: {', '.join(gone) or 'nothing, it was not granted'}"
    )
    session.output.data(
        "plugin-revoke/1",
        {"id": plugin, "revoked": list(gone), "granted": list(left), "dry_run": dry_run},
        lambda: [],
    )


def _confirm(session: Session, question: str, again: str) -> None:
    """Ask on a terminal; elsewhere fail with the command that would pass."""
    if not session.interactive:
        raise UsageError("this needs a confirmation", code="confirmation-needed", hint=again)
    if not click.confirm(question, err=True):
        raise click.Abort


for each in (show, grant, revoke):
    permissions.add_command(each)
