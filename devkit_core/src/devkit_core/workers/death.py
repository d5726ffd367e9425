"""Why a worker ended, as an error."""

from __future__ import annotations

import signal

from devkit_core.errors import DevKitError, ProtocolViolation, ResourceExhausted, WorkerCrashed

__all__ = ["death"]


def death(plugin: str, broken: str | None, status: int | None) -> DevKitError:
    """Return why a worker ended: `broken` is the rule it broke, `status` its exit code or minus a signal."""
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
                f"{who} used up its CPU time",
                code="cpu-limit",
                plugin=plugin,
                hint="raise max_cpu_seconds in [runtime.limits]",
            )
        return WorkerCrashed(
            f"{who} was ended by {name}", signal=number, status=status, plugin=plugin, hint=hint
        )
    return WorkerCrashed(f"{who} exited with status {status} during a call", status=status, plugin=plugin)
