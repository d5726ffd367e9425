"""Calls of threads to several workers of one plugin."""

from __future__ import annotations

import select
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from devkit_core.workers.deadlines import TICK

if TYPE_CHECKING:
    from devkit_core.workers.blocking_call import BlockingCall, Waiter
    from devkit_core.workers.blocking_channel import BlockingChannel

__all__ = ["Lanes", "wait_for_any"]

_GLANCE = 0.001  # seconds for which one channel is read while others may have something too


class Lanes:
    """The channels of a plugin's workers; a call goes to the one that has the fewest."""

    def __init__(self, channels: Sequence[BlockingChannel]) -> None:
        self._channels = channels

    def perform(self, call: BlockingCall) -> bool:
        """Send a call and wait until it has ended; return False where no worker takes it."""
        return any(each.perform(call) for each in sorted(self._channels, key=_load))

    def shares(self, calls: Sequence[BlockingCall]) -> list[tuple[BlockingChannel, list[BlockingCall]]]:
        """Part calls among the workers, so that all have about as many."""
        loads = [_load(each) for each in self._channels]
        parts: list[list[BlockingCall]] = [[] for _ in loads]
        for call in calls:
            least = min(range(len(loads)), key=loads.__getitem__)
            parts[least].append(call)
            loads[least] += 1
        return [(each, part) for each, part in zip(self._channels, parts, strict=True) if part]


def _load(channel: BlockingChannel) -> int:
    connection = channel.connection
    return len(connection.sent) + len(connection.queued)


def wait_for_any(waiter: Waiter, calls: Iterable[BlockingCall], deadline: float) -> None:
    """Wait for a waiter until then, on the channels of all the calls that may finish it.

    One thread can lead on one channel only, so it looks which has something, and leads there for a moment.
    """
    while not waiter.finished and monotonic() < deadline:
        channels = {each.channel for each in calls if not each.finished and each.channel is not None}
        if len(channels) == 1:
            channels.pop().wait(waiter, min(deadline, monotonic() + TICK))
            continue
        poll = select.poll()
        by_number = {}
        for each in channels:
            if (number := each.number) >= 0:
                by_number[number] = each
                poll.register(number, select.POLLIN)
        seconds = max(0.0, min(TICK, deadline - monotonic()))
        for number, _ in poll.poll(seconds * 1000):
            by_number[number].wait(waiter, min(deadline, monotonic() + _GLANCE))
