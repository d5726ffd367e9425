"""Brings back instances that ended, until that happens too often."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from devkit_core.errors import CircuitOpen, DevKitError
from devkit_core.events.bus import EventKind
from devkit_core.running.condition import Condition
from devkit_core.running.failures import passing
from devkit_core.running.restarts import Circuit, Restarts

if TYPE_CHECKING:
    from devkit_core.workers.pending import PendingCall

__all__ = ["Patient", "Recovery"]


class Patient(Protocol):
    """What is brought back."""

    @property
    def running(self) -> bool:
        """Whether an instance takes calls now."""
        ...

    @property
    def incomplete(self) -> bool:
        """Whether it is to run, and instances are missing."""
        ...

    async def start_missing(self) -> None:
        """Start something of what is missing; called after the pause. Raises what stopped it."""
        ...

    def circuit_changed(self) -> None:
        """Learn that calls are taken, or not taken, from now on."""
        ...

    def fail_waiting(self, error: DevKitError) -> None:
        """End the calls that wait."""
        ...


class Recovery:
    """Starts instances again by the rules of `restarts`, and opens the circuit; each change is an event."""

    def __init__(self, plugin: str, restarts: Restarts, condition: Condition, patient: Patient) -> None:
        self.restarts = restarts
        self._plugin = plugin
        self._condition = condition
        self._patient = patient
        self._mending: asyncio.Task[None] | None = None
        self._trial: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing is started for a call."""
        return self.restarts.circuit is Circuit.OPEN

    @property
    def retry_seconds(self) -> float | None:
        """The seconds until a plugin whose circuit is open is tried again."""
        return self.restarts.pause() if self.is_open else None

    # -- bringing back

    def mend(self) -> None:
        """Start what is missing, in the background."""
        if self._mending is None or self._mending.done():
            self._mending = asyncio.get_running_loop().create_task(self._mend())

    async def _mend(self) -> None:
        try:
            while self._patient.incomplete and not self.is_open:
                if (pause := self.restarts.pause()) > 0:
                    await asyncio.sleep(pause)
                try:
                    await self._patient.start_missing()
                except DevKitError as error:
                    if not passing(error):
                        return  # told and settled by now
        except Exception as bug:  # our own fault must not leave callers waiting
            self._patient.fail_waiting(DevKitError(f"starting `{self._plugin}` failed: {bug!r}", code="bug"))
            raise

    async def stop(self, *, waking: bool) -> None:
        """Start nothing more, and forget what happened.

        One that is `waking` is left to its start: that stops the plugin itself where what it needs is gone.
        """
        for task in (None if waking else self._mending, self._trial):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})
        self.close_circuit()

    # -- the circuit

    def fell(self, why: DevKitError, *, useful: bool = False) -> None:
        """Count an end, or a start that failed; after too many calls fail until it has cooled down."""
        before = self.restarts.circuit
        if self.restarts.fell(useful=useful):
            self._tell(before, why)
            self._again = asyncio.get_running_loop().call_later(self.restarts.pause(), self._complete)
        if self.is_open:
            self._patient.circuit_changed()
            if not self._patient.running:
                self._patient.fail_waiting(self.error())

    def admit(self) -> bool:
        """Let one start through where it is time for it; return whether it does."""
        if not self.restarts.half_open():
            return False
        self._tell(Circuit.OPEN)
        self._patient.circuit_changed()
        return True

    def _complete(self) -> None:
        """Start those that are missing beside others; without others, a call does that."""
        if self._patient.running and self.admit():
            if self._patient.incomplete:
                self.mend()
            else:  # one that was being started when the circuit opened
                self.close_circuit()

    def started(self, call: PendingCall | None) -> None:
        """Learn that a start went well, and its first call: with the end of that the one try succeeded."""
        if self.restarts.circuit is Circuit.HALF_OPEN:
            self._trial = asyncio.get_running_loop().create_task(self._watch(call))

    async def _watch(self, call: PendingCall | None) -> None:
        while call is not None and not call.done():  # noqa: ASYNC110 - rare, and no call pays for an event
            await asyncio.sleep(0.02)
        if self.restarts.circuit is Circuit.HALF_OPEN and self._patient.running:
            self.close_circuit()

    def close_circuit(self) -> None:
        """Forget the restarts that were: it runs, or somebody says that it is mended."""
        before = self.restarts.circuit
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self.restarts.reset():
            self._tell(before)
            self._patient.circuit_changed()

    def error(self) -> CircuitOpen:
        """Return what calls fail with while the circuit is open."""
        seconds, rules, last = self.restarts.pause(), self.restarts.rules, self._condition.error
        error = CircuitOpen(
            f"`{self._plugin}` needed over {rules.most} restarts in {rules.within:g} s, and is not tried "
            f"again for {seconds:.3g} s{f': {last.message}' if last is not None else ''}",
            plugin=self._plugin,
            hint=f"`devkit plugin logs {self._plugin}` may say why; "
            f"`devkit plugin reload {self._plugin}` tries at once",
        )
        error.retry_after = seconds
        return error

    def _tell(self, before: Circuit, why: DevKitError | None = None) -> None:
        self._condition.tell(
            EventKind.PLUGIN_CIRCUIT_CHANGED,
            old=before.value,
            new=self.restarts.circuit.value,
            deaths=self.restarts.recent,
            retry_seconds=self.retry_seconds,
            why=why.message if why is not None else None,
        )
