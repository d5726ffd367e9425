"""Writes data to stdout and talk to stderr, each in its form."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Literal, NamedTuple

import click

from devkit_core.cli.escaping import display_width, escape

__all__ = ["Facts", "Format", "Look", "Output", "Rendered", "Styled", "Table", "View", "wants_colour"]

Format = Literal["table", "json", "yaml", "jsonl"]
Look = Literal["good", "bad", "warn", "dim", "strong", "accent"]

_LOOKS: Mapping[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "warn": {"fg": "yellow"},
    "dim": {"dim": True},
    "strong": {"bold": True},
    "accent": {"fg": "cyan"},
}
_RICH_LOOKS = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "dim": "dim",
    "strong": "bold",
    "accent": "cyan",
}
_CHUNK = 1 << 16


class Styled(NamedTuple):
    """Text with a look; the look is kept apart from the text, so that foreign text can't bring its own."""

    text: str
    look: Look


class Table(NamedTuple):
    """Columns and rows; the last column is the one that may be long."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Styled]]


class Facts(NamedTuple):
    """Names and values, one a line, aligned; a value with line breaks continues below itself."""

    rows: Sequence[tuple[str, str | Styled]]


class Rendered(NamedTuple):
    """Text that `cli.errors` has laid out and escaped."""

    text: str


#: What a human reads: tables, facts and lines, in order.
View = Iterable[Table | Facts | Rendered | str | Styled]


def wants_colour(choice: str, stream: IO[str] | None, environ: Mapping[str, str]) -> bool:
    """Decide on colour: the option, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return environ.get("TERM") != "dumb" and stream is not None and stream.isatty()


class Output:
    """The two streams of one command: data on stdout in the format asked for, everything else on stderr."""

    def __init__(self, format: Format, colour: str, verbosity: int, environ: Mapping[str, str] = os.environ):
        self.format = format
        self.verbosity = verbosity
        self.colour = wants_colour(colour, sys.stdout, environ)
        self.error_colour = wants_colour(colour, sys.stderr, environ)

    def data(self, schema: str, data: Mapping[str, Any], view: Callable[[], View]) -> None:
        """Write a command's result: `data` under its versioned `schema` key, or `view()` for a human."""
        if self.format == "table":
            self._show(view())
            return
        from devkit_core.cli.documents import as_json, as_yaml

        document = {"schema": schema, **data}
        text = as_json(document) if self.format == "json" else as_yaml(document)
        self.raw(text.encode("utf-8"))

    def item(self, schema: str, data: Mapping[str, Any], text: str | Styled) -> None:
        """Write one item of a stream at once: as JSON on one line with `jsonl`, else `text` for a human."""
        if self.format == "jsonl":
            from devkit_core.cli.documents import as_line

            self.raw(as_line({"schema": schema, **data}).encode("utf-8"))
        else:
            self._show([text])
            if sys.stdout is not None:
                sys.stdout.flush()

    def page(self, text: str) -> None:
        """Write a text of ours with its line breaks, whatever the format."""
        self._write(escape(text, lines=True) + "\n")

    def raw(self, data: bytes) -> None:
        """Write bytes to stdout as they are, in chunks."""
        stream = sys.stdout
        if stream is None:
            return
        stream.flush()
        buffer = stream.buffer
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK):
            buffer.write(view[start : start + _CHUNK])
        buffer.flush()

    def answer(self, data: bytes) -> None:
        """Write what a plugin answered: as it is, or made harmless where a terminal would obey it."""
        if sys.stdout is None or not sys.stdout.isatty():
            self.raw(data)
            return
        text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
        self._write(escape(text, lines=True))

    def say(self, text: str, *, look: Look | None = None) -> None:
        """Tell the user something on stderr, unless `-q`, or JSON without `-v`: there errors stand alone."""
        if self._talks(0):
            self.error_text(self._paint(escape(text, lines=True), look, self.error_colour))

    def warn(self, text: str, *, hint: str | None = None) -> None:
        """Warn on stderr, unless `-qq`, or JSON without `-v`."""
        if not self._talks(-1):
            return
        head = self._paint("warning", "warn", self.error_colour)
        self.error_text(f"{head}: {escape(text, lines=True)}")
        if hint:
            self.error_text(f"  = help: {escape(hint)}")

    def _talks(self, least: int) -> bool:
        return self.verbosity >= (1 if self.format == "json" else least)

    @property
    def talks(self) -> bool:
        """Whether `say` says anything."""
        return self._talks(0)

    def redraw(self, text: str) -> None:
        """Replace the last line of a terminal's stderr by this one, which an empty text takes away."""
        stream = sys.stderr
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.write(f"\r\x1b[K{escape(text)}")
                stream.flush()

    def detail(self, text: str) -> None:
        """Tell on stderr what only `-v` asks for."""
        if self.verbosity > 0:
            self.error_text(self._paint(escape(text), "dim", self.error_colour))

    def error_text(self, text: str) -> None:
        """Write text that is already escaped to stderr; a closed stderr is nothing to fail for."""
        stream = sys.stderr
        if stream is None:
            return
        try:
            stream.buffer.write((text + "\n").encode(stream.encoding or "utf-8", "backslashreplace"))
            stream.flush()
        except OSError:
            pass

    def _show(self, view: View) -> None:
        terminal = sys.stdout is not None and sys.stdout.isatty()
        for part in view:
            if isinstance(part, Table):
                if terminal:
                    self._rich_table(part)
                else:
                    self._write(self._plain_table(part))
            elif isinstance(part, Facts):
                self._write(self._facts(part))
            elif isinstance(part, Rendered):
                self._write(part.text + "\n")
            else:
                text, look = (part.text, part.look) if isinstance(part, Styled) else (part, None)
                self._write(self._paint(escape(text, lines=True), look, self.colour) + "\n")

    def _plain_table(self, table: Table) -> str:
        head: list[str | Styled] = [Styled(name, "strong") for name in table.columns]
        rows = [[_cell(cell) for cell in row] for row in [head, *table.rows]]
        widths = [max(display_width(text) for text, _ in column) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            line = ""
            for (text, look), width in zip(row[:-1], widths[:-1], strict=True):
                line += self._paint(text, look, self.colour) + " " * (width - display_width(text) + 2)
            text, look = row[-1]
            lines.append((line + self._paint(text, look, self.colour)).rstrip() + "\n")
        return "".join(lines)

    def _rich_table(self, table: Table) -> None:
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        console = Console(
            file=sys.stdout,
            force_terminal=True,
            color_system="auto" if self.colour else None,
            no_color=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        shown = RichTable(box=None, pad_edge=False, header_style="bold")
        for name in table.columns[:-1]:
            shown.add_column(name, no_wrap=True)
        shown.add_column(table.columns[-1], overflow="fold")
        for row in table.rows:
            cells = [_cell(cell) for cell in row]
            shown.add_row(*(Text(text, style=_RICH_LOOKS.get(look or "", "")) for text, look in cells))
        console.print(shown)

    def _facts(self, facts: Facts) -> str:
        width = max((display_width(name) for name, _ in facts.rows), default=0) + 2
        text = ""
        for name, value in facts.rows:
            body, look = (value.text, value.look) if isinstance(value, Styled) else (value, None)
            first, *rest = escape(body, lines=True).split("\n")
            pad = " " * (width - display_width(name))
            text += (self._paint(name, "strong", self.colour) + pad).rstrip(" " if not first else "")
            text += self._paint(first, look, self.colour) + "\n"
            text += "".join(" " * width + self._paint(line, look, self.colour) + "\n" for line in rest)
        return text

    def _write(self, text: str) -> None:
        if sys.stdout is not None:
            self.raw(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))

    @staticmethod
    def _paint(text: str, look: str | None, colour: bool) -> str:
        return click.style(text, **_LOOKS[look]) if colour and look and text else text


def _cell(cell: str | Styled) -> tuple[str, str | None]:
    if isinstance(cell, Styled):
        return escape(cell.text), cell.look
    return escape(cell), None
