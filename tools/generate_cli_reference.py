"""Writes docs/reference/cli.md from the commands, or checks that it is up to date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from devkit_core.cli.grammar import Command, Group
from devkit_core.cli.main import root

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
HEAD = """\
# The command line

Made from the commands by `tools/generate_cli_reference.py`. `devkit help COMMAND` shows the same.

- stdout has data only; notes, warnings, progress and errors go to stderr.
- `--format json` and `yaml` give one object with a `schema` key: [json-output.md](json-output.md).
- How a command ended is in its exit code: [exit-codes.md](exit-codes.md).
- DevKit asks only on a terminal; with `--no-input`, or `DEVKIT_NO_INPUT=1`, it fails and names the command
  that would pass. Standard input is read only for `-`.
- `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` are obeyed. `DEVKIT_DEBUG=1` shows the traceback of a bug.
- Control characters, escape sequences and reversed text of plugins are shown as `\\x1b`, `\\u202e`; only
  `devkit plugin run` writes a plugin's answer as it is.
- Ctrl-C shuts plugins down and ends with 130; a second one kills.
- Extensions may add commands at the top and to every group, never replace one.
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_sections(root, ("devkit",)))


def _sections(command: click.Command, words: tuple[str, ...]) -> Iterator[str]:
    yield _section(command, words)
    if isinstance(command, Group):
        for name in sorted([*command.commands, *command.children]):
            child = command.commands.get(name) or command.children[name].load()
            yield from _sections(child, (*words, name))


def _section(command: click.Command, words: tuple[str, ...]) -> str:
    context = click.Context(command, info_name=" ".join(words))
    lines = [
        "",
        f"## {' '.join(words)}",
        "",
        f"    {' '.join([*words, *command.collect_usage_pieces(context)])}",
        "",
    ]
    lines += [line.strip() for line in (command.help or "").strip().splitlines()]
    rows = [
        parameter.get_help_record(context)
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    shown = [
        row for row in rows if row is not None and (len(words) == 1 or not row[0].startswith("--format"))
    ]
    if shown:
        lines += ["", "| option | meaning |", "|---|---|"]
        lines += [f"| `{name.replace('|', chr(92) + '|')}` | {text} |" for name, text in shown]
    if isinstance(command, (Command, Group)) and command.examples:
        lines += ["", "```sh", *command.examples, "```"]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when it is not up to date"
    )
    text = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if parser.parse_args().check:
        print(f"stale {PAGE}")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
