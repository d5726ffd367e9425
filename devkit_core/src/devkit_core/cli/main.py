"""The devkit command: its tree of commands, and what happens to errors."""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from devkit_core import __version__
from devkit_core.cli.exit_codes import Exit, exit_code
from devkit_core.cli.grammar import Child, Group
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError, Place, StateError, UsageError

__all__ = ["root", "run"]

_COMMANDS = "devkit_core.cli.commands"
_ROOT = {
    "plugin": Child(f"{_COMMANDS}.plugin:plugin", "Find, run, check and manage plugins."),
    "loader": Child(f"{_COMMANDS}.loader:loader", "The loaders, which run one kind of plugin each."),
    "config": Child(f"{_COMMANDS}.config:config", "Show and change settings."),
    "stubs": Child(f"{_COMMANDS}.stubs:stubs", "Write the types of plugins' functions for type checkers."),
    "events": Child(f"{_COMMANDS}.events:events", "Show what happens in running hosts."),
    "store": Child(f"{_COMMANDS}.store:store", "Check and tidy the content of installed plugins."),
    "doctor": Child(f"{_COMMANDS}.doctor:doctor", "Check this machine and what is installed."),
    "explain": Child(f"{_COMMANDS}.explain:explain", "Explain an error code."),
    "completion": Child(f"{_COMMANDS}.completion:completion", "Print the completion script of a shell."),
    "help": Child(f"{_COMMANDS}.help:help_", "Show the help of a command, or a topic."),
}


class _ReaderGone(Exception):
    """Stdout's reader has closed it. No OSError, or click would end the process in its own way."""


class _Root(Group):
    """The top of the tree, where every error becomes a message and an exit code."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse the words; help is printed here already."""
        try:
            return super().make_context(*args, **more)
        except BrokenPipeError as error:
            raise _ReaderGone from error

    def invoke(self, ctx: click.Context) -> None:
        """Run the command that was parsed; what it returns means nothing, only `exit` gives a code."""
        try:
            super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **more: Any
    ) -> NoReturn:
        """Run the command line and exit with its code; called by `run` and by tests."""
        more.pop("standalone_mode", None)
        words = list(sys.argv[1:] if args is None else args)
        session = Session()
        try:
            result = super().main(
                args=words, prog_name=prog_name or "devkit", standalone_mode=False, obj=session, **more
            )
            if sys.stdout is not None:
                sys.stdout.flush()
            code = int(result) if isinstance(result, int) else 0
        except (BrokenPipeError, _ReaderGone):
            _drop_output()  # the reader has what it wanted
            code = Exit.DONE
        except Exception as error:  # noqa: BLE001 - the outermost handler; what it can't name is our bug
            code = _report(error, session, words)
            if isinstance(error, OSError):
                _drop_output()
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        sys.exit(int(code))


def _drop_output() -> None:
    """Let what stdout still holds go nowhere: Python flushes it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _report(error: Exception, session: Session, words: Sequence[str]) -> Exit:
    from devkit_core.cli.errors import as_document, render

    if isinstance(error, click.exceptions.Abort):
        if isinstance(error.__cause__, KeyboardInterrupt):
            return Exit.INTERRUPTED
        session.output.say("aborted")
        return Exit.FAILED
    if "json" in _formats(words):  # parsing may have failed before the option was read
        session.format = "json"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        if session.format != "json":
            session.output.error_text(error.format_message())
            return Exit.USAGE
        error = UsageError("which command?", hint=f"{error.ctx.command_path} --help")
    known = _as_devkit_error(error) or _bug(error, session)
    output = session.output
    if output.format == "json":
        output.error_text(as_document(known).rstrip("\n"))
    else:
        output.error_text(render(known, colour=output.error_colour))
    return exit_code(known)


def _formats(words: Sequence[str]) -> list[str]:
    options = list(itertools.takewhile(lambda word: word != "--", words))
    following = [after for before, after in itertools.pairwise(options) if before == "--format"]
    return following + [word.removeprefix("--format=") for word in options if word.startswith("--format=")]


def _as_devkit_error(error: Exception) -> DevKitError | None:
    if isinstance(error, DevKitError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        hint = getattr(error, "hint", None)
        if hint is None and context is not None:
            hint = f"{context.get_usage()}\n{context.command_path} --help"
        message = error.format_message().rstrip(".")
        return UsageError(message[:1].lower() + message[1:], hint=hint)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = Place(str(error.filename)) if error.filename else None  # without a name it is stdout
        return StateError(
            f"nothing more can be written: {error.strerror}",
            code="disk-full",
            place=where,
            hint="Make room; `devkit store gc` frees what no installed plugin needs.",
        )
    return None


class _Bug(DevKitError):
    """A mistake of DevKit's own."""

    code = "bug"
    traceback = ""


def _bug(error: Exception, session: Session) -> DevKitError:
    from devkit_core.config.environment import DEBUG, flag

    bug = _Bug(
        f"{type(error).__name__}: {error}",
        hint=f"this is DevKit's own mistake; {DEBUG}=1 shows where, please report it",
    )
    if session.verbosity > 0 or flag(os.environ, DEBUG):
        import traceback

        bug.traceback = "".join(traceback.format_exception(error))
    return bug


root = _Root(
    name="devkit",
    help="Find, load, confine and run plugins written in many languages.\n\n"
    "The options below may stand before or after any command.",
    joins="",
    children=_ROOT,
    root=True,
    examples=(
        'devkit plugin run test-plugin "hello world"',
        "devkit plugin list --format json",
        "devkit plugin new my-plugin",
        "devkit doctor",
    ),
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda context, _parameter, value: _version(context) if value else None,
            help="Show the version and exit.",
        )
    ],
)


def _version(context: click.Context) -> None:
    context.ensure_object(Session).output.page(f"devkit {__version__}")
    context.exit()


def run() -> NoReturn:
    """Run `devkit`: the entry point of the installed command."""
    _open_closed_streams()
    root.main()


def _open_closed_streams() -> None:
    """Give descriptors 0 to 2 a place where they are closed, so that no other file takes their number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
