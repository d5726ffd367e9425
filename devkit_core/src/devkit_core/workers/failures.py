"""What a worker said of a call that failed, as an error."""

from __future__ import annotations

from devkit_core.errors import (
    DevKitError,
    ExecutionError,
    FunctionMissing,
    PayloadTooLarge,
    PluginRaised,
    ResourceExhausted,
)
from devkit_core.model.limits import how_to_raise
from devkit_core.protocol.messages import Failure

__all__ = ["from_failure"]

#: what a plugin met that is a limit: which, and how it is said
_LIMITS = {
    "memory-limit": ("memory_mb", "memory"),
    "open-files-limit": ("open_files", "open files"),
    "scratch-limit": ("scratch_mb", "its scratch folder"),
    "thread-limit": ("threads", "threads, or of memory for their stacks"),
}
_CLASSES: dict[str, type[ExecutionError]] = {
    "function-missing": FunctionMissing,
    "input-not-text": ExecutionError,
    "input-not-json": ExecutionError,
    "input-has-nul": ExecutionError,
    "result-null": ExecutionError,
    "result-type": ExecutionError,
    "result-not-text": ExecutionError,
    "cancelled": ExecutionError,
}


def from_failure(failure: Failure, plugin: str) -> DevKitError:
    """Return the error for what a worker said; a code that no worker may give is the plugin's own error."""
    if (limit := _LIMITS.get(failure.code)) is not None:
        name, what = limit
        said = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
        return ResourceExhausted(
            f"`{plugin}` reached its limit of {what}: {said}",
            code=failure.code,
            hint=how_to_raise(name, plugin),
            plugin=plugin,
            traceback=failure.traceback,
        )
    if failure.code == "payload-too-large":
        return PayloadTooLarge(failure.message, hint=how_to_raise("payload_mb", plugin), plugin=plugin)
    if (kind := _CLASSES.get(failure.code)) is not None:
        return kind(failure.message, code=failure.code, hint=failure.hint, plugin=plugin)
    message = f"{failure.kind}: {failure.message}" if failure.kind and failure.message else failure.message
    return PluginRaised(
        message or failure.kind or "the plugin raised",
        kind=failure.kind,
        traceback=failure.traceback,
        hint=failure.hint,
        plugin=plugin,
    )
