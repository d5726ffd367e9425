"""Why a worker can't be started, as an error."""

from __future__ import annotations

from devkit_core.errors import CallTimeout, DevKitError, InitializeFailed, LoadError, PermissionDenied

__all__ = ["failed_start"]


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
