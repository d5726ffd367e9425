"""Why a worker can't be started, as an error."""

from __future__ import annotations

from devkit_core.errors import CallTimeout, DevKitError, InitializeFailed, LoadError, PermissionDenied
from devkit_core.protocol.messages import Failure

__all__ = ["failed_start", "refused"]


def refused(plugin: str, failure: Failure, initializing: bool) -> LoadError:
    """Return what a worker said of its own start, or of the plugin's initialize."""
    text = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
    error = LoadError(text, code=failure.code, hint=failure.hint, plugin=plugin)
    if initializing:
        message = f"initialize of `{plugin}` failed: {text}"
        error = InitializeFailed(message, plugin=plugin, hint=failure.hint)
    error.traceback = failure.traceback  # type: ignore[attr-defined]
    return error


def failed_start(plugin: str, error: DevKitError, stage: str) -> DevKitError:
    """Return why a plugin can't be loaded: `error` ended its `start` or its `initialize`."""
    if isinstance(error, (LoadError, PermissionDenied)):
        return error
    if stage == "initialize":
        kind: type[LoadError] = InitializeFailed
        code = "initialize-timeout" if isinstance(error, CallTimeout) else "initialize-failed"
    else:
        kind, code = LoadError, error.code if error.code == "entry-function-missing" else "load-failed"
    message = error.message
    if stage == "initialize" and not isinstance(error, CallTimeout):
        message = f"initialize of `{plugin}` failed: {message}"
    built = kind(message, code=code, hint=error.hint, plugin=plugin)
    built.traceback = getattr(error, "traceback", None)  # type: ignore[attr-defined]
    return built
