"""What all commands share: options accepted anywhere, examples, lazy children."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from devkit_core.cli.escaping import escape
from devkit_core.cli.session import Session
from devkit_core.cli.suggestions import did_you_mean
from devkit_core.errors import ExtensionError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["Child", "Command", "Group", "command", "dry_run", "pass_session", "yes"]

F = TypeVar("F", bound=Callable[..., Any])

pass_session = click.make_pass_decorator(Session, ensure=True)


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value not in (None, False):
            setattr(context.ensure_object(Session), name, value)

    return callback


def _add_verbosity(step: int) -> Callable[[click.Context, click.Parameter, int], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: int) -> None:
        context.ensure_object(Session).verbosity += step * value

    return callback


def _enter(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is None or context.resilient_parsing:
        return
    try:
        os.chdir(value)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise click.UsageError(f"can't enter {value!r}: {reason}") from None


def _shared_options(hidden: bool, streams: bool) -> list[click.Parameter]:
    """The options that stand before or after any command; help shows them once, at the top."""
    formats = ["table", "json", "yaml", *(["jsonl"] if streams else [])]
    return [
        click.Option(
            ["--format"],
            type=click.Choice(formats),
            help="Form of the data on stdout (table).",
            expose_value=False,
            is_eager=True,
            callback=_set("format"),
        ),
        click.Option(
            ["-C", "directory"],
            metavar="DIR",
            help="Run as if started in DIR.",
            type=click.Path(),
            hidden=hidden,
            expose_value=False,
            is_eager=True,
            callback=_enter,
        ),
        click.Option(
            ["--color", "--colour", "colour"],
            type=click.Choice(["auto", "always", "never"]),
            help="Colour; auto obeys NO_COLOR, FORCE_COLOR and TERM.",
            hidden=hidden,
            expose_value=False,
            is_eager=True,
            callback=_set("colour"),
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Tell more on stderr; of a bug, its traceback.",
            hidden=hidden,
            expose_value=False,
            is_eager=True,
            callback=_add_verbosity(1),
        ),
        click.Option(
            ["-q", "--quiet"],
            count=True,
            help="Tell less on stderr.",
            hidden=hidden,
            expose_value=False,
            is_eager=True,
            callback=_add_verbosity(-1),
        ),
        click.Option(
            ["--no-input"],
            is_flag=True,
            help="Never ask; say which command would pass.",
            hidden=hidden,
            expose_value=False,
            is_eager=True,
            callback=_set("no_input"),
        ),
    ]


class _WithExamples(click.Command):
    """A command whose help ends with examples, and which accepts the shared options."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        root: bool = False,
        streams: bool = False,
        **more: Any,
    ) -> None:
        more.setdefault("context_settings", {"help_option_names": ["-h", "--help"], "max_content_width": 100})
        super().__init__(*args, **more)
        self.examples = tuple(examples)
        self.params.extend(_shared_options(not root, streams))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(" " * formatter.current_indent + line + "\n")
        super().format_epilog(ctx, formatter)


class Command(_WithExamples):
    """A command of the core's."""


class Child(NamedTuple):
    """A command or group that is imported when it is used: `target` is `module:attribute`."""

    target: str
    help: str
    extension: bool = False

    def load(self) -> click.Command:
        """Import it; raises ExtensionError where an extension's can't be."""
        module, _, attribute = self.target.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
            if not isinstance(found, click.Command):
                raise TypeError(f"{self.target} is no click command")
        except Exception as error:
            if not self.extension:
                raise
            raise ExtensionError(
                f"the command {self.target} can't be used: {type(error).__name__}: {error}",
                hint="devkit doctor shows the installed extensions",
            ) from error
        return found


class Group(_WithExamples, click.Group):
    """A group whose children are imported when they are used.

    Extensions join it by a command name that begins with `joins`, and never replace one of its own; they
    are asked where a name isn't one of the core's, and for help.
    """

    def __init__(
        self, *args: Any, joins: str, children: Mapping[str, Child] | None = None, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.joins = joins
        self.children = dict(children or {})

    def _joined(self, ctx: click.Context) -> dict[str, Child]:
        found = {}
        for spec in ctx.ensure_object(Session).extensions.commands():
            lead, _, name = spec.name.rpartition(" ")
            if lead == self.joins and name not in self.children and name not in self.commands:
                found[name] = Child(spec.target, spec.help, extension=True)
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the core's commands and of those that extensions add, in order."""
        return sorted([*self.commands, *self.children, *self._joined(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing it now."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        child = self.children.get(cmd_name) or self._joined(ctx).get(cmd_name)
        return child.load() if child else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words name; an unknown one is an error that names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            message = f"no command {args[0]!r} in {ctx.command_path!r}"
            meant = self._below(ctx, args[0]) or did_you_mean(args[0], self.list_commands(ctx))
            raise UnknownCommand(message, meant, ctx) from error

    def _below(self, ctx: click.Context, word: str) -> str | None:
        """Return "did you mean 'plugin run'?" where a group of the core's has a command of that name."""
        groups = {name: child.load() for name, child in self.children.items()}
        below = [
            f"'{name} {word}'"
            for name, group in groups.items()
            if isinstance(group, Group) and word in group.list_commands(ctx)
        ]
        return f"did you mean {' or '.join(below)}?" if below else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return commands and options that begin so, without importing a command."""
        from click.shell_completion import CompletionItem

        names = [name for name in self._lines(ctx).items() if name[0].startswith(incomplete)]
        return [CompletionItem(name, help=text) for name, text in names] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def _lines(self, ctx: click.Context) -> dict[str, str]:
        """Return every command's name and line of help, in order of name."""
        rows = {name: child.help for name, child in {**self._joined(ctx), **self.children}.items()}
        rows.update((name, own.get_short_help_str(100)) for name, own in self.commands.items())
        return {name: escape(text) for name, text in sorted(rows.items())}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line for each command without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines(ctx).items()))


class UnknownCommand(click.UsageError):
    """A command that isn't there, with the nearest that is."""

    def __init__(self, message: str, hint: str | None, ctx: click.Context) -> None:
        super().__init__(message, ctx)
        self.hint = hint


def command(name: str, *, examples: Iterable[str], **more: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its docstring is the help text. `streams=True` adds `--format jsonl`."""
    return click.command(name, cls=Command, examples=tuple(examples), **more)


def dry_run(function: F) -> F:
    """Add `--dry-run`, for every command that changes something."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(function)


def yes(function: F) -> F:
    """Add `--yes`, which answers a confirmation and never grants a right by itself."""
    return click.option("-y", "--yes", is_flag=True, help="Don't ask for a confirmation.")(function)
