"""devkit plugin map: one call for every line of a file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import click

from devkit_core.catalog.plugin_settings import given_texts
from devkit_core.cli import eventloop
from devkit_core.cli.calling import as_data, prepare, tell_withheld
from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.input_lines import InputLines
from devkit_core.cli.limits import input_bytes, limits_for
from devkit_core.cli.output import Output
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.results_file import ResultsFile
from devkit_core.cli.run_options import run_options
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError, PayloadTooLarge, UsageError
from devkit_core.manager import PluginManager
from devkit_core.running.mapping import IN_FLIGHT

__all__ = ["map_"]

_FIRST_WORD = 1.0  # seconds until progress is told
_WORDS = 10.0  # seconds between its lines, where stderr is no terminal
_REDRAW = 0.25
_SCHEMA = "plugin-map-result/1"


@dataclass(slots=True)
class _Count:
    """What happened so far."""

    answered: int = 0
    failed: int = 0
    skipped: int = 0
    first: tuple[int, DevKitError] | None = None  # the first that failed: index and error

    @property
    def done(self) -> int:
        return self.answered + self.failed


@command(
    "map",
    examples=(
        "devkit plugin map test-plugin texts.jsonl --out results.jsonl",
        "devkit plugin map test-plugin texts.jsonl --out results.jsonl --resume",
        "ls | devkit plugin map test-plugin - --raw --as-completed",
    ),
)
@click.argument("plugin", metavar="ID", shell_complete=complete_plugin)
@click.argument("file", metavar="FILE.jsonl|-")
@click.option("--out", metavar="FILE", default="-", help="Write the results to a new file (stdout).")
@click.option("--raw", is_flag=True, help="Take each line as it stands, not as JSON.")
@click.option("--as-completed", is_flag=True, help="Write results as they come, not in the inputs' order.")
@click.option("--resume", is_flag=True, help="Go on with the file of --out: skip the lines answered there.")
@click.option(
    "--in-flight",
    type=click.IntRange(1, 10_000),
    default=IN_FLIGHT,
    metavar="N",
    help=f"Calls at once, at most ({IN_FLIGHT}).",
)
@run_options
@click.pass_context
@pass_session
def map_(
    session: Session,
    context: click.Context,
    *,
    plugin: str,
    file: str,
    out: str,
    raw: bool,
    as_completed: bool,
    resume: bool,
    in_flight: int,
    timeout: float | None,
    given: tuple[str, ...],
    limits: tuple[str, ...],
    allow_unconfined: bool,
) -> None:
    """Run a plugin once for every line of FILE, or of standard input for `-`.

    A line that is a JSON string is given as its text, any other JSON as it stands; empty lines are passed
    over. Each result is one line of JSON with the line's `index`, from 0, and `ok`: `text` or `base64`, or
    else `error`. What was interrupted goes on with --resume, which tries lines that failed again.
    """
    config = session.settings.config
    config = replace(config, limits=(*config.limits, *limits_for(plugin, limits)))
    if allow_unconfined:
        config = replace(config, allow_unconfined=True)
    values = given_texts(given)
    lines = InputLines(file, input_bytes(config, plugin))
    with contextlib.closing(lines):
        results = ResultsFile(out, plugin, resume=resume)
        count = _Count()
        began = time.monotonic()
        with contextlib.closing(results):
            manager = PluginManager(
                config,
                places=session.places,
                extensions=session.extensions,
                control=False,
                plugin_values={plugin: values} if values else None,
            )
            inputs = _Inputs(lines, raw, results.answered, count)
            run = _run(session, manager, plugin, inputs, results, not as_completed, timeout, in_flight)
            try:
                eventloop.run(run)
            except KeyboardInterrupt:
                hint = "; --resume goes on" if out != "-" else ""
                session.output.say(f"interrupted after {count.done:,} results{hint}", look="warn")
                raise
    _tell_end(session.output, plugin, count, out, time.monotonic() - began)
    if count.first is not None:
        index, error = count.first
        hint = f"; {error.hint}" if error.hint else ""
        session.output.say(f"line {index + 1:,}: {error.code}: {error.message}{hint}", look="warn")
        context.exit(Exit.SOME_FAILED)


class _Inputs:
    """The inputs that are left to run, and which line each was.

    A line that is no input is given as None, which no plugin takes; `errors` says what is wrong with it.
    """

    def __init__(self, lines: InputLines, raw: bool, answered: set[int], count: _Count) -> None:
        self.lines = lines
        self.count = count
        self.indexes: dict[int, int] = {}  # by the number of the input
        self.errors: dict[int, DevKitError] = {}
        self._raw = raw
        self._answered = answered

    async def __aiter__(self) -> AsyncIterator[Any]:
        index = -1
        number = 0
        async for line in self.lines:
            index += 1
            if index in self._answered:
                self.count.skipped += 1
                continue
            if line is not None and not self._raw and not line.strip():
                continue
            self.indexes[number] = index
            try:
                found = self._input(line)
            except DevKitError as error:
                self.errors[number] = error
                found = None
            number += 1
            yield found

    def _input(self, line: bytes | None) -> str | bytes:
        if line is None:
            raise PayloadTooLarge("the line is longer than an input may be", hint="--limit payload_mb=N")
        if not self._raw:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"the line is not JSON: {str(error)[:200]}",
                    code="input-line-invalid",
                    hint="--raw takes lines as they stand",
                ) from None
            if isinstance(value, str):
                return value
        try:
            return line.decode()
        except UnicodeDecodeError:
            return line


async def _run(
    session: Session,
    manager: PluginManager,
    plugin: str,
    inputs: _Inputs,
    results: ResultsFile,
    ordered: bool,
    timeout: float | None,
    in_flight: int,
) -> None:
    count = inputs.count
    async with manager:
        prepare(session, manager)
        manager.registry.find(plugin)
        tell_withheld(session, manager, plugin)
        handle = await manager.load(plugin)
        progress = asyncio.create_task(_tell_progress(session.output, inputs, results))
        outcomes = handle.map(inputs, ordered=ordered, timeout=timeout, in_flight=in_flight)
        try:
            async with contextlib.aclosing(outcomes):
                async for outcome in outcomes:
                    error = inputs.errors.pop(outcome.position, outcome.error)
                    value = error if error is not None else outcome.result()
                    count.failed += error is not None
                    count.answered += error is None
                    index = inputs.indexes.pop(outcome.position)
                    if error is not None and count.first is None:
                        count.first = index, error
                    results.write({"schema": _SCHEMA, "id": plugin, "index": index, **as_data(value)})
        finally:
            progress.cancel()
            await asyncio.wait({progress})


async def _tell_progress(output: Output, inputs: _Inputs, results: ResultsFile) -> None:
    """Say every now and then how far it is, on one line of a terminal; results so far reach their file."""
    began = time.monotonic()
    terminal = sys.stderr is not None and sys.stderr.isatty() and output.talks
    last = began - _WORDS + _FIRST_WORD
    try:
        while True:
            await asyncio.sleep(_REDRAW)
            results.flush()
            now = time.monotonic()
            if now - began < _FIRST_WORD or (not terminal and now - last < _WORDS):
                continue
            last = now
            text = _progress(inputs, now - began)
            if terminal:
                output.redraw(text)
            else:
                output.say(text)
    finally:
        if terminal:
            output.redraw("")


def _progress(inputs: _Inputs, seconds: float) -> str:
    count, size = inputs.count, inputs.lines.size
    text = f"{count.done:,} done"
    if count.failed:
        text += f", {count.failed:,} failed"
    text += f", {count.done / seconds:,.0f}/s"
    if size:
        text += f", {min(100, 100 * inputs.lines.read // size)} % of the input read"
    return text


def _tell_end(output: Output, plugin: str, count: _Count, out: str, seconds: float) -> None:
    if out == "-":
        return
    data = {
        "id": plugin,
        "out": out,
        "answered": count.answered,
        "failed": count.failed,
        "skipped": count.skipped,
        "seconds": round(seconds, 3),
    }
    text = f"{count.answered:,} answered, {count.failed:,} failed"
    if count.skipped:
        text += f", {count.skipped:,} were there already"
    output.data("plugin-map/1", data, lambda: [f"{text}; results in {out}"])
