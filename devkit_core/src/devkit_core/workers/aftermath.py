"""What becomes of the calls of a worker that has ended."""

from __future__ import annotations

from collections.abc import Container, Iterable

from devkit_core.errors import DevKitError, WorkerCrashed
from devkit_core.workers.pending import PendingCall

__all__ = ["ATTEMPTS", "settle"]

#: workers that may end before a call is begun, until it fails: no plugin can keep its host busy for ever
ATTEMPTS = 16
#: what a worker that ended after it had begun counts: an idempotent call is begun four times at most
_BEGUN = 5


def settle(
    plugin: str,
    why: DevKitError | None,
    started: Iterable[PendingCall],
    waiting: Iterable[PendingCall],
    idempotent: Container[int],
) -> list[PendingCall]:
    """Fail the calls that the worker had begun, and return those that another may have.

    Begun ones are among them where their function is idempotent and the worker crashed; streams are not,
    as what was read of them can't be taken back. `why` is None where the worker was asked to end.
    """
    again: list[PendingCall] = []
    for call in started:
        call.abandon = None
        call.attempts += _BEGUN
        harmless = call.function in idempotent and not call.streams
        if harmless and isinstance(why, WorkerCrashed) and call.attempts < ATTEMPTS:
            call.id = 0
            again.append(call)
        else:
            call.set_exception(why or WorkerCrashed(f"`{plugin}` was stopped during the call", plugin=plugin))
    for call in waiting:
        call.abandon = None
        call.id = 0
        call.attempts += 1
        if call.attempts < ATTEMPTS:
            again.append(call)
        else:
            call.set_exception(why or WorkerCrashed("its workers keep ending", plugin=plugin))
    return again
