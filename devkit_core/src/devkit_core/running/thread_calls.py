"""Calls of one plugin from threads, past the event loop."""

from __future__ import annotations

import math
from _thread import get_ident
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

from devkit_core.errors import CallTimeout, DevKitError
from devkit_core.running.background import Background
from devkit_core.running.feeding import Pieces, gives_pieces, pulled
from devkit_core.running.handle import PluginHandle
from devkit_core.running.lanes import Lanes, wait_for_any
from devkit_core.running.mapping import REPLACEMENT, WINDOW, Outcome, check_bound
from devkit_core.workers.blocking_call import BlockingCall, CallGroup, wait
from devkit_core.workers.death import overdue

__all__ = ["ThreadCalls"]


class ThreadCalls:
    """Makes a plugin's calls for any thread; only where there is no middleware."""

    def __init__(self, handle: PluginHandle, background: Background) -> None:
        self._handle = handle
        self._supervisor = handle.supervisor
        self._background = background
        self._plugin = handle.id
        self._tally = handle.supervisor.tally
        self._loop_thread = background.ident

    def execute(self, input: str | bytes | Pieces = "", timeout: float | None = None) -> str | bytes:
        """Run the plugin's `execute` and return what it returned, text as `str`, anything else as `bytes`."""
        if get_ident() == self._loop_thread:
            raise self._background.blocked()
        if type(input) is str and input.isascii() and len(input) <= self._supervisor.payload_limit:
            data, text = input.encode(), True
        else:
            if gives_pieces(input):
                pieces = pulled(input) if isinstance(input, Iterator) else input
                return self._background.wait(self._handle.execute(pieces, timeout))
            data, text = self._handle.encode(input)
        supervisor = self._supervisor
        seconds = supervisor.timeout if timeout is None else self._handle.seconds(timeout)
        call = BlockingCall(self._plugin, 0, data, text, seconds, self._tally)
        if timeout is not None:
            call.told = True
        lane = supervisor.lane
        if lane is None or not lane.perform(call):
            self._hand_over([call])
            call.wait()
        return call.given()

    def map(
        self, inputs: Iterable[str | bytes], *, ordered: bool, timeout: float | None, in_flight: int
    ) -> Iterator[Outcome]:
        """Yield an outcome for every input, as `map_calls` does."""
        check_bound(in_flight)
        self._handle.seconds(timeout)  # raises before anything is pulled
        if get_ident() == self._loop_thread:
            raise self._background.blocked()
        source = iter(inputs)
        share = self._supervisor.share
        group = CallGroup()
        pending: list[BlockingCall] = []
        position = held = 0
        more = 0.0
        ended = False
        try:
            while True:
                group.finished = False
                fresh: list[BlockingCall] = []
                size = 0
                if not pending and not share.is_open():
                    self._background.wait(share.opened())
                while (
                    not ended
                    and len(pending) < in_flight
                    and held < WINDOW
                    and share.is_open(len(fresh), size)
                ):
                    try:
                        input = next(source)
                    except StopIteration:
                        ended = True
                        break
                    call = self._make(input, timeout, group)
                    call.position = position
                    position += 1
                    held += len(call.data)
                    size += len(call.data)
                    pending.append(call)
                    if not call.finished:
                        fresh.append(call)
                if fresh:
                    self._start(fresh)
                finished = _take_finished(pending, ordered)
                for call in finished:
                    held -= len(call.data)
                    more = REPLACEMENT if isinstance(call.error, CallTimeout) else 0.0
                    yield _outcome(call)
                if finished:
                    continue
                if not pending:
                    if ended:
                        return
                    continue
                self._wait(pending, group, timeout, more)
        finally:
            for call in pending:
                call.give_up()

    def _make(self, input: Any, timeout: float | None, group: CallGroup) -> BlockingCall:
        supervisor = self._supervisor
        try:
            data, text = self._handle.encode(input)
        except DevKitError as error:
            call = BlockingCall(self._plugin, 0, b"", False, math.inf, self._tally, group)
            call.error, call.finished = error, True
            return call
        # what runs in this process reads its time limit when it begins
        seconds = math.inf if supervisor.pid is not None else self._handle.seconds(timeout)
        return BlockingCall(self._plugin, 0, data, text, seconds, self._tally, group)

    def _start(self, calls: list[BlockingCall]) -> None:
        lane = self._supervisor.lane
        if isinstance(lane, Lanes):
            for each, share in lane.shares(calls):
                if not each.start(share):
                    self._hand_over(share)
        elif lane is None or not lane.start(calls):
            self._hand_over(calls)

    def _hand_over(self, calls: list[BlockingCall]) -> None:
        """Let the event loop have calls that no channel takes now."""
        proxies = [call.hand_over(self._background.loop) for call in calls]

        def submit() -> None:
            for proxy in proxies:
                self._supervisor.submit(proxy)

        self._background.soon(submit)

    def _wait(
        self, pending: list[BlockingCall], group: CallGroup, timeout: float | None, more: float
    ) -> None:
        """Wait until any is answered, or the time of the oldest is over, which ends it."""
        oldest = pending[0]
        if oldest.deadline == math.inf:
            oldest.arm(monotonic() + self._handle.seconds(timeout) + more)
        if isinstance(self._supervisor.lane, Lanes):
            wait_for_any(group, pending, oldest.deadline)
        else:
            wait(group, oldest, oldest.deadline)
        if not group.finished and not oldest.finished:
            oldest.give_up(overdue(oldest.plugin))


def _take_finished(pending: list[BlockingCall], ordered: bool) -> list[BlockingCall]:
    """Take out the calls whose outcome may be told."""
    if ordered:
        count = 0
        for call in pending:
            if not call.finished:
                break
            count += 1
        finished = pending[:count]
        del pending[:count]
        return finished
    finished = [call for call in pending if call.finished]
    if finished:
        pending[:] = [call for call in pending if not call.finished]
    return finished


def _outcome(call: BlockingCall) -> Outcome:
    if call.answer is not None:
        return Outcome(call.position, call.given(), None)
    if not isinstance(call.error, DevKitError):
        call.result()  # raises: no plugin's error, but a fault of ours
    assert isinstance(call.error, DevKitError)
    return Outcome(call.position, None, call.error)
