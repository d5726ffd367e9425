"""The exit codes of devkit: one table, mapped from error classes."""

from __future__ import annotations

import enum

from devkit_core import errors

__all__ = ["MEANINGS", "Exit", "exit_code"]


class Exit(enum.IntEnum):
    """How a run of `devkit` ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    PERMISSION = 4
    DEPENDENCY = 5
    INTEGRITY = 6
    NETWORK = 7
    TIMED_OUT = 8
    SOME_FAILED = 9
    BUG = 70
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "the operation or the plugin failed",
    Exit.USAGE: "usage: an argument or a setting that can't be meant",
    Exit.NOT_FOUND: "not found",
    Exit.PERMISSION: "permission, trust or login needed",
    Exit.DEPENDENCY: "a dependency is missing, conflicts or forms a cycle, or others need what should go",
    Exit.INTEGRITY: "integrity: a hash, a signature or metadata doesn't hold",
    Exit.NETWORK: "network or registry, worth a retry",
    Exit.TIMED_OUT: "timed out",
    Exit.SOME_FAILED: "some of many failed",
    Exit.BUG: "a bug of DevKit's own; please report it",
    Exit.INTERRUPTED: "interrupted",
}

# The nearest class of an error decides; a code, where it stands here, says more than its class.
_BY_CLASS: dict[type[BaseException], Exit] = {
    errors.DevKitError: Exit.FAILED,
    errors.UsageError: Exit.USAGE,
    errors.ConfigError: Exit.USAGE,
    errors.NotFound: Exit.NOT_FOUND,
    errors.LoaderMissing: Exit.NOT_FOUND,
    errors.CallTimeout: Exit.TIMED_OUT,
    errors.PermissionDenied: Exit.PERMISSION,
    errors.DependencyError: Exit.DEPENDENCY,
    errors.IntegrityError: Exit.INTEGRITY,
    errors.NetworkError: Exit.NETWORK,
}
_BY_CODE: dict[str, Exit] = {
    "bug": Exit.BUG,
    "initialize-timeout": Exit.TIMED_OUT,
    "input-invalid": Exit.USAGE,
}


def exit_code(error: BaseException) -> Exit:
    """Return the exit code of an error; of one that is no DevKitError, that of our own bug."""
    narrowed = _BY_CODE.get(getattr(error, "code", ""))
    if narrowed is not None:
        return narrowed
    for base in type(error).__mro__:
        if base in _BY_CLASS:
            return _BY_CLASS[base]
    return Exit.BUG
