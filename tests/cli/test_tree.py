"""The surface tests itself: every command has help, examples that parse, and a line in the reference."""

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from devkit_core.cli.grammar import Command, Group
from devkit_core.cli.main import root
from devkit_core.cli.session import Session

Words = tuple[str, ...]


def walk(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, Group):
        context = click.Context(command, info_name=" ".join(("devkit", *words)), obj=Session())
        for name in [*command.commands, *command.children]:
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, (*words, name))


TREE = dict(walk(root))
EXAMPLES = [
    (words, example)
    for words, command in TREE.items()
    if isinstance(command, (Command, Group))
    for example in command.examples
]


@pytest.mark.parametrize("words", TREE, ids=" ".join)
def test_every_command_has_help_and_examples(words: Words) -> None:
    command = TREE[words]
    assert isinstance(command, (Command, Group)), f"{words} is not made by grammar.command"
    assert command.examples
    assert command.help
    shown = CliRunner().invoke(root, [*words, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Examples:" in shown.output
    assert "--format" in shown.output


@pytest.mark.parametrize("words", TREE, ids=" ".join)
def test_every_option_and_group_line_has_help(words: Words) -> None:
    command = TREE[words]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(words)} {parameter.opts}"


@pytest.mark.parametrize(("words", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_every_example_parses(words: Words, example: str) -> None:
    for line in example.split(" | "):
        line = line.removeprefix('eval "$(').removesuffix(')"').split(" > ")[0]
        arguments = shlex.split(line)
        if arguments[0] != "devkit":
            continue
        command: click.Command = root
        rest = arguments[1:]
        context = click.Context(root, info_name="devkit", obj=Session())
        while isinstance(command, Group) and rest and not rest[0].startswith("-"):
            _name, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command = found
        parsed = command.make_context(command.name, rest, parent=context, resilient_parsing=True)
        assert not parsed.args
