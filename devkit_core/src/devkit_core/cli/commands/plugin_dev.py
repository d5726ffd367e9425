"""devkit plugin dev: reload a plugin while it is written."""

from __future__ import annotations

import asyncio
import difflib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from devkit_core.catalog.folders import builtin_sources
from devkit_core.cli import eventloop
from devkit_core.cli.commands.plugin_logs import log_line
from devkit_core.cli.errors import render
from devkit_core.cli.grammar import command, pass_session
from devkit_core.cli.limits import limit_option, limits_for
from devkit_core.cli.numbers import duration
from devkit_core.cli.output import Look, Styled
from devkit_core.cli.session import Session
from devkit_core.errors import DevKitError, LoadError, Place, UsageError
from devkit_core.events.bus import EventKind, PluginEvent
from devkit_core.events.logs import LogLine
from devkit_core.loading.folder import read_manifest
from devkit_core.loading.source import Source
from devkit_core.manager import PluginManager
from devkit_core.running import watch

__all__ = ["dev"]

_SAMPLES = "samples"
_KINDS = (".txt", ".json")
_LONGEST = 200  # lines of an output, or of a difference, that are shown


class _OneFolder(Source):
    """The folder that is being written; it goes before all others."""

    name = "dev"
    rank = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folders(self) -> Iterable[Path]:
        return [self._folder]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one input brought: text, or an error as it is shown."""

    ok: bool
    text: str


@command(
    "dev",
    streams=True,
    examples=(
        "devkit plugin dev plugins/test-plugin",
        'devkit plugin dev . --input "hello" --input "world"',
        "devkit plugin dev . --format jsonl",
    ),
)
@click.argument("path", type=click.Path(), default=".")
@click.option("--input", "inputs", multiple=True, metavar="TEXT", help="Run on this too; may be repeated.")
@limit_option
@pass_session
def dev(session: Session, *, path: str, inputs: tuple[str, ...], limits: tuple[str, ...]) -> None:
    """Load the plugin in PATH, run it on its samples, and do so again whenever its files change.

    Samples are the files samples/*.txt and samples/*.json of its folder. Outputs, and later what differs,
    go to stdout; what the plugin prints and what is wrong with it go to stderr. Ctrl-C ends.
    """
    if session.format in ("json", "yaml"):
        raise UsageError(
            f"a stream has no end, so it can't be one document of {session.format}",
            hint=f"devkit plugin dev {path} --format jsonl",
        )
    watch.demand()
    folder = Path(os.path.abspath(path))
    plugin = read_manifest(folder).manifest.id
    own = session.settings.config
    config = replace(own, hot_reload=True, limits=(*own.limits, *limits_for(plugin, limits)))
    manager = PluginManager(
        config,
        places=session.places,
        extensions=session.extensions,
        sources=[_OneFolder(folder), *builtin_sources(config, session.places)],
    )
    eventloop.run(_Writing(session, manager, plugin, folder, inputs).run())


class _Writing:
    """One session of writing a plugin."""

    def __init__(
        self,
        session: Session,
        manager: PluginManager,
        plugin: str,
        folder: Path,
        inputs: tuple[str, ...],
    ) -> None:
        self._output = session.output
        self._manager = manager
        self._plugin = plugin
        self._folder = folder
        self._inputs = inputs
        self._before: dict[str, _Answer] = {}
        self._told: object = None  # the failure that was shown last; the same one isn't shown again
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Load, run the samples, and follow the events until it is cancelled."""
        async with self._manager as manager:
            manager.logs.follow(self._log)
            events = manager.subscribe(plugins=[self._plugin])
            try:
                await manager.load(self._plugin)
            except DevKitError as error:
                self._refuse_unwatched(error)
                self._output.error_text(render(error, colour=self._output.error_colour))
            else:
                self._start_samples()
            self._output.say(f"watching {self._folder}; Ctrl-C ends", look="dim")
            try:
                async for event in events:
                    self._event(event)
            finally:
                await self._stop_samples()

    def _refuse_unwatched(self, error: DevKitError) -> None:
        """Give up where loading failed before the plugin's own files counted: nothing is watched then."""
        try:
            self._manager.stats(self._plugin)
        except LoadError:
            raise error from None

    def _log(self, line: LogLine) -> None:
        if line.plugin == self._plugin:
            self._say(log_line(line.as_dict()))

    def _say(self, line: str | Styled, look: Look = "dim") -> None:
        text, own = (line.text, line.look) if isinstance(line, Styled) else (line, look)
        self._output.say(text, look=own)

    def _event(self, event: PluginEvent) -> None:
        data = event.data
        if self._output.format == "jsonl" and event.kind.startswith(("reload-", "file-", "plugin-error")):
            self._output.item("event/1", event.as_dict(), "")
        match event.kind:
            case EventKind.FILE_CHANGED:
                self._say(f"changed: {', '.join(data['changes'])}{' …' if data['more'] else ''}")
            case EventKind.RELOAD_SUCCEEDED:
                self._told = None
                self._say(f"reloaded {self._plugin} {data['version']} in {duration(data['seconds'])}", "good")
                self._start_samples()
            case EventKind.RELOAD_FAILED:
                if self._told != (told := (data["code"], data["message"], data["path"], data["line"])):
                    self._told = told
                    self._show_failure(data)

    def _show_failure(self, data: Any) -> None:
        place = (
            Place(data["path"], data["line"], text=_line(data["path"], data["line"]))
            if data["path"]
            else None
        )
        hint = "the old instance goes on" if self._manager.get_plugin(self._plugin) else None
        error = DevKitError(data["message"], code=data["code"], place=place, hint=hint)
        self._output.error_text(render(error, colour=self._output.error_colour))

    # -- samples

    def _start_samples(self) -> None:
        before = self._running
        if before is not None:
            before.cancel()
        self._running = asyncio.create_task(self._samples())

    async def _stop_samples(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _samples(self) -> None:
        handle = self._manager.get_plugin(self._plugin)
        if handle is None:
            return
        inputs = list(self._given())
        if not inputs:
            self._output.say(f"no inputs: put files into {_SAMPLES}/, or give --input", look="warn")
        for name, value in inputs:
            try:
                answer = await handle.execute(value)
                text = answer if isinstance(answer, str) else repr(answer)
                now = _Answer(True, text)
            except DevKitError as error:
                now = _Answer(False, f"error[{error.code}]: {error.message}")
            self._show(name, now)
            self._before[name] = now

    def _given(self) -> Iterator[tuple[str, str | bytes]]:
        try:
            files = sorted(p for p in (self._folder / _SAMPLES).iterdir() if p.suffix in _KINDS)
        except OSError:
            files = []
        for path in files:
            try:
                data = path.read_bytes()
            except OSError as error:
                self._output.warn(f"{path} can't be read: {error.strerror}")
                continue
            try:
                yield f"{_SAMPLES}/{path.name}", data.decode("utf-8")
            except UnicodeDecodeError:
                yield f"{_SAMPLES}/{path.name}", data
        for number, text in enumerate(self._inputs, 1):
            yield f"--input {number}", text

    def _show(self, name: str, now: _Answer) -> None:
        before = self._before.get(name)
        if self._output.format == "jsonl":
            data = {"sample": name, "ok": now.ok, "output": now.text, "changed": now != before}
            self._output.item("plugin-dev/1", data, "")
        elif before == now:
            self._output.item("", {}, Styled(f"== {name}: the same", "dim"))
        else:
            self._output.item("", {}, Styled(f"== {name}", "strong"))
            for line in self._lines(before, now):
                self._output.item("", {}, line)

    @staticmethod
    def _lines(before: _Answer | None, now: _Answer) -> Iterator[str | Styled]:
        lines: list[str | Styled]
        if before is None:
            lines = [line if now.ok else Styled(line, "bad") for line in now.text.splitlines()]
        else:
            difference = difflib.unified_diff(
                before.text.splitlines(), now.text.splitlines(), n=2, lineterm=""
            )
            looks: dict[str, Look] = {"+": "good", "-": "bad", "@": "dim"}
            lines = [
                Styled(line, looks[line[0]]) if line[:1] in looks else line for line in list(difference)[2:]
            ]
        yield from lines[:_LONGEST]
        if len(lines) > _LONGEST:
            yield Styled(f"… {len(lines) - _LONGEST} lines more", "dim")


def _line(path: str, number: int | None) -> str | None:
    """Return a line of a file of the plugin's, for showing beside an error."""
    if number is None:
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((text.rstrip("\n") for at, text in enumerate(file, 1) if at == number), None)
    except OSError:
        return None
