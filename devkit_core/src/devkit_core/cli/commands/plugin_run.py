"""devkit plugin run: one call, its answer on stdout."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import IO

import click

from devkit_core.catalog.plugin_settings import given_texts
from devkit_core.cli import eventloop
from devkit_core.cli.calling import as_data, prepare, progress_shown, tell_withheld
from devkit_core.cli.errors import render
from devkit_core.cli.exit_codes import Exit
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.limits import input_bytes, limits_for
from devkit_core.cli.output import Output
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.run_options import run_options
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError, NotFound, PayloadTooLarge, Place, UsageError
from devkit_core.manager import PluginManager
from devkit_core.model.limits import EVERY
from devkit_core.model.types import capability
from devkit_core.running.feeding import Pieces, pulled
from devkit_core.running.handle import PluginHandle

__all__ = ["run"]

Value = str | bytes
_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Call:
    """What to run on each plugin: `input` is text unless it isn't UTF-8.

    It is None for standard input that is not read yet: a plugin may take it line by line, as it comes.
    """

    input: Value | None
    function: str | None
    timeout: float | None
    limit: int

    def for_plugin(self, handle: PluginHandle) -> Value | Pieces:
        """Return the input as the plugin takes it."""
        if self.input is not None:
            return self.input
        if handle.takes_pieces:
            return pulled(_lines(sys.stdin.buffer, self.limit))
        return _input("-", None, self.limit)


@command(
    "run",
    examples=(
        'devkit plugin run test-plugin "hello world"',
        "echo '{\"a\": 1}' | devkit plugin run json-tools -",
        "devkit plugin run todo-scanner --file src/main.py",
        'devkit plugin run markdown-html --fn outline --json \'{"markdown": "# Title"}\'',
        "devkit plugin run my-plugin --set line_length=100 --file plugin.py",
        "devkit plugin run my-plugin --limit memory_mb=512 --limit cpu_seconds=60 --file plugin.py",
        'devkit plugin run --all-with CodeAnalysis "x = 1  # TODO: name it"',
        "devkit plugin run test-plugin -- --starts-with-a-dash",
    ),
)
@click.argument("first", metavar="ID", required=False, shell_complete=complete_plugin)
@click.argument("second", metavar="[INPUT|-]", required=False)
@click.option("--file", "file", type=click.Path(), metavar="F", help="Read the input from a file.")
@click.option("--fn", "function", metavar="NAME", help="Call this function of the manifest's, not execute.")
@click.option("--json", "json_input", metavar="JSON", help="The input of --fn, checked to be JSON first.")
@click.option(
    "--all-with",
    "wanted",
    metavar="CAPABILITY",
    help="Run every enabled plugin that has it; the first argument is then the input.",
)
@run_options
@click.pass_context
@pass_session
def run(
    session: Session,
    context: click.Context,
    *,
    first: str | None,
    second: str | None,
    file: str | None,
    function: str | None,
    json_input: str | None,
    timeout: float | None,
    wanted: str | None,
    given: tuple[str, ...],
    limits: tuple[str, ...],
    allow_unconfined: bool,
) -> None:
    """Run a plugin on INPUT and write what it returned to stdout, unchanged; a terminal is
    shown control characters as text.

    INPUT is the argument, `-` for standard input, or --file; without any it is empty. A plugin that takes
    its input in pieces reads standard input line by line, as it comes. Input that starts with a dash follows
    `--`. Notes go to stderr; -v shows what the plugin prints.
    """
    words = [word for word in (first, second) if word is not None]
    plugin = None if wanted is not None else (words.pop(0) if words else None)
    if wanted is None and plugin is None:
        raise UsageError("which plugin?", hint="devkit plugin run ID [INPUT]")
    if len(words) + (file is not None) + (json_input is not None) > 1:
        raise UsageError("there is more than one input", hint="give one: an argument, `-`, --file or --json")
    if json_input is not None and function is None:
        raise UsageError("--json is the input of a function", hint="name it: --fn NAME")
    config = session.settings.config
    config = replace(config, limits=(*config.limits, *limits_for(plugin or EVERY, limits)))
    if json_input is not None:
        words = [_checked(json_input)]
    limit = input_bytes(config, plugin or EVERY)
    later = words == ["-"] and plugin is not None and function is None and sys.stdin is not None
    input = None if later else _input(words[0] if words else None, file, limit)
    call = _Call(input, function, timeout, limit)
    if allow_unconfined:
        config = replace(config, allow_unconfined=True)
    values = given_texts(given)
    if values and plugin is None:
        raise UsageError("--set is for one plugin", hint="devkit plugin run ID --set KEY=VALUE")
    manager = PluginManager(
        config,
        places=session.places,
        extensions=session.extensions,
        control=False,
        plugin_values={plugin: values} if plugin is not None and values else None,
    )
    if plugin is not None:
        eventloop.run(_run_one(session, manager, plugin, call))
    elif not eventloop.run(_run_all(session, manager, capability(wanted or ""), call)):
        context.exit(Exit.SOME_FAILED)


def _checked(text: str) -> str:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the value of --json is no JSON: {error}", code="input-not-json") from error
    return text


def _input(argument: str | None, file: str | None, limit: int) -> Value:
    if "-" in (argument, file):
        if sys.stdin is None:
            raise UsageError(
                "the input is to be read from standard input, which is closed", code="input-closed"
            )
        data = _read(sys.stdin.buffer, limit)
    elif file is not None:
        try:
            with open(file, "rb") as stream:
                data = _read(stream, limit)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"the input can't be read: {reason}", code="input-unreadable", place=Place(file)
            ) from error
    else:
        data = os.fsencode(argument or "")
    return _text(data)


def _lines(stream: IO[bytes], limit: int) -> Iterator[Value]:
    """Yield lines as they come; reading holds no lock of the stream, which the end of the program takes."""
    try:
        read = partial(os.read, stream.fileno(), _BLOCK)
    except OSError:  # no file, as in a program that runs commands itself
        read = partial(stream.read, _BLOCK)
    begun: list[bytes] = []  # parts of a line whose end is not here
    size = 0
    while data := read():
        first, *others = data.split(b"\n")
        begun.append(first)
        size += len(first)
        if size > limit:
            raise PayloadTooLarge(f"a line of the input has more than {limit >> 20} MiB")
        for each in others:
            yield _text(b"".join(begun) + b"\n")
            begun, size = [each], len(each)
    if size:
        yield _text(b"".join(begun))


def _text(data: bytes) -> Value:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _read(stream: IO[bytes], limit: int) -> bytes:
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise PayloadTooLarge(
            f"the input has more than {limit >> 20} MiB",
            hint="--limit payload_mb=N, or devkit config set max_payload_mb N",
        )
    return data


async def _run_one(session: Session, manager: PluginManager, plugin: str, call: _Call) -> None:
    output = session.output
    async with manager:
        prepare(session, manager)
        found = manager.registry.find(plugin)
        tell_withheld(session, manager, plugin)
        if output.format == "table":
            ended = True
            with progress_shown(session, manager, plugin) as clear:
                async for item in _items(manager, plugin, call):
                    data = _bytes(item)
                    clear()
                    output.answer(data)
                    ended = data.endswith(b"\n") if data else ended
            if not ended and sys.stdout is not None and sys.stdout.isatty():
                output.raw(b"\n")
            return
        with progress_shown(session, manager, plugin):
            value = await _execute(manager, plugin, call)
        output.data("plugin-run/1", {"id": found.id, **as_data(value)}, lambda: [])


async def _items(manager: PluginManager, plugin: str, call: _Call) -> AsyncIterator[Value]:
    """Yield a plugin's answer as it comes, in one piece unless it streams."""
    handle = await manager.load(plugin)
    if call.function is not None:
        yield await handle.call(call.function, call.input or "", call.timeout)
        return
    async for item in handle.stream(call.for_plugin(handle), call.timeout):
        yield item


async def _execute(manager: PluginManager, plugin: str, call: _Call) -> Value:
    handle = await manager.load(plugin)
    if call.function is not None:
        return await handle.call(call.function, call.input or "", call.timeout)
    return await handle.execute(call.for_plugin(handle), call.timeout)


async def _run_all(session: Session, manager: PluginManager, wanted: str, call: _Call) -> bool:
    """Run every enabled plugin with the capability; return whether all answered."""
    async with manager:
        prepare(session, manager)
        chosen = [
            each.id
            for each in manager.registry
            if each.manifest is not None
            and each.error is None
            and each.shadowed_by is None
            and wanted in each.manifest.capabilities
            and manager.state.is_enabled(each.id, each.folder)
        ]
        if not chosen:
            raise NotFound(
                f"no enabled plugin has the capability {wanted!r}",
                code="capability-not-found",
                hint="devkit plugin list --format json shows the capabilities of each",
            )
        results: dict[str, Value | DevKitError] = {}
        for plugin in chosen:  # loading one after the other keeps the order of dependencies
            tell_withheld(session, manager, plugin)
            try:
                await manager.load(plugin)
            except DevKitError as error:
                results[plugin] = error
        running = {
            plugin: asyncio.ensure_future(_execute(manager, plugin, call))
            for plugin in chosen
            if plugin not in results
        }
        for plugin, task in running.items():
            try:
                results[plugin] = await task
            except DevKitError as error:
                results[plugin] = error
        _show_all(session.output, wanted, {plugin: results[plugin] for plugin in chosen})
        return not any(isinstance(each, DevKitError) for each in results.values())


def _show_all(output: Output, wanted: str, results: dict[str, Value | DevKitError]) -> None:
    if output.format != "table":
        data = [{"id": plugin, **as_data(value)} for plugin, value in results.items()]
        output.data("plugin-run-all/1", {"capability": wanted, "results": data}, lambda: [])
        return
    for plugin, value in results.items():
        output.say(f"== {plugin}", look="strong")
        if isinstance(value, DevKitError):
            output.error_text(render(value, colour=output.error_colour))
            continue
        answer = _bytes(value)
        output.answer(answer if answer.endswith(b"\n") else answer + b"\n")


def _bytes(value: Value) -> bytes:
    return value.encode() if isinstance(value, str) else value
