"""Where one plugin's calls go: to instances, to wait, or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from devkit_core.errors import DevKitError, LoadError
from devkit_core.events.bus import Bus
from devkit_core.events.stats import Tally
from devkit_core.model.types import PluginHealth, PluginStatus
from devkit_core.running.backlog import Backlog
from devkit_core.running.condition import Condition
from devkit_core.running.crew import Crew
from devkit_core.running.functions import number_of

if TYPE_CHECKING:
    from devkit_core.running.blueprints import Blueprint
    from devkit_core.running.crew import Attempt
    from devkit_core.running.lanes import Lanes
    from devkit_core.running.recovery import Recovery
    from devkit_core.workers.admission import Share
    from devkit_core.workers.blocking_channel import BlockingChannel
    from devkit_core.workers.deadlines import Deadlines
    from devkit_core.workers.pending import PendingCall

__all__ = ["Intake"]


class Intake:
    """Takes a plugin's calls, whatever becomes of its instances; its supervisor says what becomes of them.

    `submit`, `attempt` and `lane` are what takes calls now. They are attributes that are changed when that
    changes, as every call would pay for a decision.
    """

    recovery: Recovery

    def __init__(self, plugin: str, bus: Bus, deadlines: Deadlines, share: Share) -> None:
        self.id = plugin
        self.share = share
        self.condition = Condition(plugin, bus)
        self.crew = Crew()
        self.blueprint: Blueprint | None = None
        self.tally = Tally()
        self.timeout = 300.0  # seconds a call may take where it sets no limit of its own
        self.payload_limit = 64 << 20  # bytes that an input may have
        self.takes_pieces = False  # whether the last instance takes inputs in pieces
        #: takes a call of the event loop: the one instance's own method, wherever there is one
        self.submit: Callable[[PendingCall], None] = self._refuse
        #: answers a short call at once, where the one instance does that; None of it: the call is submitted
        self.attempt: Attempt | None = None
        #: takes calls of threads directly
        self.lane: BlockingChannel | Lanes | None = None
        self._backlog = Backlog(plugin, deadlines, share)
        self._loaded = False

    @property
    def status(self) -> PluginStatus:
        """Where the plugin is in its life."""
        return self.condition.status

    @property
    def health(self) -> PluginHealth:
        """How it does."""
        return self.condition.health

    @property
    def error(self) -> DevKitError | None:
        """What went wrong last, where it hasn't started since."""
        return self.condition.error

    @property
    def loaded(self) -> bool:
        """Whether calls are taken: from a load that succeeded to the stop, through deaths and rests."""
        return self._loaded

    @property
    def running(self) -> bool:
        """Whether there is an instance now."""
        return bool(self.crew.members)

    @property
    def pid(self) -> int | None:
        """The process id of its first worker, where there is one now."""
        return self.crew.members[0].instance.pid if self.crew.members else None

    @property
    def concurrency(self) -> int:
        """How many calls all workers together take at a time."""
        return sum(each.instance.concurrency for each in self.crew.members) or 1

    def number(self, function: str) -> int:
        """Return a function's number; raises FunctionMissing."""
        instance = self.crew.members[0].instance if self.crew.members else None
        manifest = self.blueprint.manifest if self.blueprint else None
        return number_of(self.id, function, instance.functions if instance else None, manifest)

    def _route(self) -> None:
        """Decide who takes calls from now on."""
        self.lane = self.attempt = None
        if not self._loaded:
            self.submit = self._refuse
        elif self.crew.members:
            self.submit, self.lane = self.crew.front()
            self.attempt = self.crew.attempt
        elif self.recovery.is_open:
            self.submit = self._fail_fast
        else:
            self.submit = self._keep

    def _refuse(self, call: PendingCall) -> None:
        call.set_exception(self._not_loaded())

    def _keep(self, call: PendingCall) -> None:
        self._backlog.add(call)
        self.recovery.mend()

    def _fail_fast(self, call: PendingCall) -> None:
        if self.recovery.admit():
            self._keep(call)
        else:
            call.set_exception(self.recovery.error())

    def _not_loaded(self) -> LoadError:
        return LoadError(
            f"`{self.id}` is {self.status}, and takes no calls", code="plugin-not-loaded", plugin=self.id
        )

    def _hand_out(self) -> None:
        """Give the calls that waited to whoever takes calls now."""
        for call in self._backlog.empty():
            self.submit(call)

    def fail_waiting(self, error: DevKitError) -> None:
        """End the calls that wait; called by the recovery."""
        self._backlog.fail(error)

    def _apply(self, blueprint: Blueprint) -> None:
        self.timeout = blueprint.times.execute
        self.payload_limit = blueprint.limits.payload_mb << 20
        self.recovery.restarts.rules = blueprint.upkeep.restarts
        self.crew.wanted = blueprint.upkeep.workers
