"""Why a worker ended, as an error."""

from __future__ import annotations

import signal

from devkit_core.errors import CallTimeout, DevKitError, ProtocolViolation, ResourceExhausted, WorkerCrashed
from devkit_core.model.limits import how_to_raise
from devkit_core.sandbox.plan import Limits

__all__ = ["death", "overdue", "overrun"]

#: how runtimes end themselves where they get no more memory; SIGKILL is the system's, short of it
_STARVED = {signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGSEGV, signal.SIGKILL}
_NEARLY = 0.9


def death(plugin: str, broken: str | None, status: int | None, grown_mb: int, limits: Limits) -> DevKitError:
    """Return why a worker ended: `broken` is the rule it broke, `status` its exit code or minus a signal.

    `grown_mb` is the most memory that it had over what it had idle. One that gets no more doesn't always say
    so: it is believed to have ended for that where it had nearly all that it may have.
    """
    who = f"the worker of `{plugin}`"
    if broken is not None:
        return ProtocolViolation(
            f"{who} broke the protocol and was ended: {broken}",
            plugin=plugin,
            hint="a plugin must leave file descriptor 3 to its worker",
        )
    if status is None:
        return WorkerCrashed(f"{who} ended", plugin=plugin)
    if status < 0:
        number = -status
        name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
        hint = "a system call that is never allowed" if number == signal.SIGSYS else None
        if number == signal.SIGXCPU:
            return ResourceExhausted(
                f"{who} used up its processor time; the limit is {limits.cpu_seconds} s",
                code="cpu-limit",
                plugin=plugin,
                hint=how_to_raise("cpu_seconds", plugin),
            )
        if number in _STARVED and grown_mb >= _NEARLY * limits.memory_mb:
            return ResourceExhausted(
                f"{who} was ended by {name} with {grown_mb} MiB of memory more than it needs idle; the "
                f"limit is {limits.memory_mb} MiB",
                code="memory-limit",
                plugin=plugin,
                hint=how_to_raise("memory_mb", plugin),
            )
        return WorkerCrashed(
            f"{who} was ended by {name}", signal=number, status=status, plugin=plugin, hint=hint
        )
    return WorkerCrashed(f"{who} exited with status {status} during a call", status=status, plugin=plugin)


def overdue(plugin: str) -> CallTimeout:
    """Return the error of a call whose time is over."""
    return CallTimeout(
        f"`{plugin}` gave no answer in time",
        plugin=plugin,
        hint="raise timeout=, --timeout, or execution_timeout",
    )


def overrun(plugin: str, seconds: float) -> WorkerCrashed:
    """Return why the host ended a worker itself: a call that it had cancelled went on."""
    error = WorkerCrashed(
        f"the worker of `{plugin}` was ended: a cancelled call did not stop within {seconds:g} s",
        signal=signal.SIGKILL,
        status=-signal.SIGKILL,
        plugin=plugin,
    )
    error.for_call = True
    return error
