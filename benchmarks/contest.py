"""Families of benchmarks: who takes part, what they do in turns, which bars stand."""

from __future__ import annotations

import json
import operator
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from machine import Cores, Quiet, pinned, spent
from peers import install

HERE = Path(__file__).resolve().parent
#: seconds that one task of one contestant may take
PATIENCE = 60.0


@dataclass(frozen=True)
class Contestant:
    """Who takes part: `program` is `goplugin` and its arguments, or a module, a class and its arguments."""

    name: str
    program: tuple[str, ...]
    #: whether it is ours or a floor; others have to be installed, and are left out of quick runs
    here: bool = True

    def command(self, quick: bool) -> list[str]:
        """Return what starts it; raises Missing."""
        if quick and not self.here:
            raise install.Missing("left out of a quick run")
        if self.program[0] == "goplugin":
            host, plugin = install.goplugin()
            return [str(host), *self.program[1:], str(plugin)]
        return [sys.executable, str(HERE / "seat.py"), *self.program]


@dataclass(frozen=True)
class Task:
    """What contestants do in turns, a round after the other; `quick` replaces arguments in a quick run."""

    label: str
    name: str
    contestants: tuple[str, ...]
    arguments: dict[str, int] = field(default_factory=dict)
    quick: dict[str, int] = field(default_factory=dict)
    rounds: int = 7
    cores: Cores = "any"
    processor: bool = False  # whether the processor time of a call counts too, of host and plugin together


@dataclass(frozen=True)
class Row:
    """One line of the results: DevKit's figure beside the best of some peers', and the bar.

    `measure` says what is held against the bar: DevKit's figure over the peer's, less the peer's, or alone.
    With `best_round` the peers' best round counts instead of their median.
    """

    what: str
    ours: str
    metric: str
    peers: tuple[str, ...] = ()
    bar: float | None = None
    sense: Literal["≤", "≥", "<"] = "≤"
    measure: Literal["ratio", "difference", "figure"] = "ratio"
    peer_metric: str | None = None
    best_round: bool = False
    beside: str | None = None  # what the peer is called, where one contestant measures both


@dataclass(frozen=True)
class Family:
    """Benchmarks that run together."""

    name: str
    title: str
    contestants: tuple[Contestant, ...]
    tasks: tuple[Task, ...]
    rows: tuple[Row, ...]
    about: str = ""
    seconds: float = 100.0


@dataclass
class Outcome:
    """What a family found: every round of every contestant, by name and metric."""

    rounds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)  # what isn't here, and why
    failed: dict[str, str] = field(default_factory=dict)
    busy: float = 0.0
    seconds: float = 0.0

    def middle(self, contestant: str, metric: str) -> float | None:
        """Return the median of the rounds."""
        found = self.rounds.get(contestant, {}).get(metric)
        return statistics.median(found) if found else None

    def best(self, contestant: str, metric: str) -> float | None:
        """Return the best round."""
        found = self.rounds.get(contestant, {}).get(metric)
        return (max if metric.endswith("/s") else min)(found) if found else None


class Broken(Exception):
    """A contestant doesn't answer any more."""


class _Player:
    """A contestant's process."""

    def __init__(self, contestant: Contestant, quick: bool, log: IO[bytes]) -> None:
        folder = "" if quick else install.packages()
        self._process = subprocess.Popen(
            contestant.command(quick),
            cwd=HERE,
            env={**os.environ, "BENCHMARKS_PEERS": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        self._log = log
        self.pid = self._process.pid

    def read(self, seconds: float) -> dict[str, Any]:
        """Return its next line; raises Broken."""
        assert self._process.stdout is not None
        timer = threading.Timer(seconds, self._kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        status = self._process.wait()
        self._log.seek(max(0, self._log.tell() - 2000))
        said = self._log.read().decode(errors="replace").strip().splitlines()
        raise Broken(said[-1] if status > 0 and said else f"it took over {seconds:.0f} s or was killed")

    def ask(self, task: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Let it do a task; raises Broken."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise Broken("it has ended") from None
        return self.read(seconds)

    def _kill(self) -> None:
        """End it at once, with what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it: it is asked to, and then made to."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(0.1 if isinstance(sys.exc_info()[1], KeyboardInterrupt) else 5)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        self._process.stdout.close()


def play(family: Family, quiet: Quiet, *, quick: bool, say: Callable[[str], None]) -> Outcome:
    """Run a family: all contestants stay up, and take turns in every round of every task."""
    outcome = Outcome()
    began = time.monotonic()
    with ExitStack() as stack:
        players: dict[str, _Player] = {}
        for contestant in family.contestants:
            log = stack.enter_context(tempfile.TemporaryFile())
            try:
                player = _Player(contestant, quick, log)
                stack.callback(player.close)
                hello = player.read(PATIENCE)
            except install.Missing as error:
                outcome.skipped[contestant.name] = str(error)
                continue
            except (Broken, OSError) as error:
                outcome.failed[contestant.name] = str(error)
                continue
            if "skipped" in hello:
                outcome.skipped[contestant.name] = hello["skipped"]
                continue
            outcome.versions[contestant.name] = hello["version"]
            players[contestant.name] = player
        shares = []
        began = time.monotonic()  # what peers take to be installed is not the family's time
        for number, task in _turns(family, 1 if quick else None):
            if number and time.monotonic() - began > family.seconds:
                say(f"{family.name}: stopped in round {number + 1}, {family.seconds:.0f} s are over")
                break
            shares.append(quiet.wait())
            _round(outcome, players, task, number, quick, began + family.seconds)
    outcome.busy = statistics.median(shares) if shares else 0.0
    outcome.seconds = time.monotonic() - began
    return outcome


def _turns(family: Family, most: int | None) -> Iterator[tuple[int, Task]]:
    for number in range(max(task.rounds for task in family.tasks)):
        for task in family.tasks:
            if number < (most or task.rounds):
                yield number, task


def _round(
    outcome: Outcome, players: dict[str, _Player], task: Task, number: int, quick: bool, until: float
) -> None:
    names = task.contestants
    turn = number % len(names)
    for name in (*names[turn:], *names[:turn]):  # nobody always follows the same
        if (player := players.get(name)) is None or (number and time.monotonic() > until):
            continue
        arguments = {**task.arguments, **(task.quick if quick else {})}
        try:
            with pinned(player.pid, task.cores):
                before = spent(player.pid) if task.processor else 0
                answer = player.ask({"task": task.name, **arguments}, PATIENCE)
                if task.processor and "figures" in answer:
                    used = spent(player.pid) - before
                    answer["figures"]["processor µs"] = used / arguments["calls"] / 1e3
        except Broken as error:
            outcome.failed[name] = f"{task.label or task.name}: {error}"
            del players[name]
            continue
        if "failed" in answer:
            outcome.failed[f"{name}, {task.label or task.name}"] = answer["failed"]
        for unit, figure in answer.get("figures", {}).items():
            metric = f"{task.label}, {unit}" if task.label else unit
            outcome.rounds.setdefault(name, {}).setdefault(metric, []).append(figure)


_SENSES = {"≤": operator.le, "≥": operator.ge, "<": operator.lt}


def judge(family: Family, outcome: Outcome) -> list[dict[str, Any]]:
    """Return the rows with their figures; `met` is None where something is missing or there is no bar."""
    return [_judge(row, outcome) for row in family.rows]


def _judge(row: Row, outcome: Outcome) -> dict[str, Any]:
    ours = outcome.middle(row.ours, row.metric)
    name, theirs = _rival(row, outcome)
    value = None
    if ours is not None:
        if row.measure == "figure":
            value = ours
        elif theirs:
            value = ours / theirs if row.measure == "ratio" else ours - theirs
    met = None
    if value is not None and row.bar is not None:
        met = _SENSES[row.sense](value, row.bar)
    return {
        "what": row.what,
        "metric": row.metric,
        "DevKit": ours,
        "peer": theirs,
        "peer_name": row.beside or name,
        "measure": row.measure,
        "value": value,
        "ratio": ours / theirs if ours is not None and theirs else None,
        "bar": None if row.bar is None else f"{row.sense} {row.bar:g}",
        "met": met,
        "versions": {n: outcome.versions[n] for n in (row.ours, name) if n and n in outcome.versions},
    }


def _rival(row: Row, outcome: Outcome) -> tuple[str | None, float | None]:
    """Return the best peer and its figure; where none was measured, the first one's name."""
    metric = row.peer_metric or row.metric
    figure = outcome.best if row.best_round else outcome.middle
    found = [(value, name) for name in row.peers if (value := figure(name, metric)) is not None]
    if not found:
        return (row.peers[0] if row.peers else None), None
    value, name = (max if metric.endswith("/s") else min)(found)
    return name, value


def names(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    """Return their names."""
    return tuple(contestant.name for contestant in contestants)
