"""Every error DevKit raises, as data; rendering is the command line's.

    DevKitError
    ├── UsageError                 an argument that can't be meant
    ├── ConfigError                a setting that can't be read or has a wrong value
    ├── ManifestError              a plugin.toml that can't be used; carries all its problems
    ├── NotFound                   no plugin, loader, command or error code of that name
    ├── LoadError                  a plugin that can't be loaded
    │   ├── EntryPointError        its entry point is missing, outside its folder or of no known kind
    │   ├── LoaderMissing          no installed loader runs that kind
    │   ├── DuplicatePlugin        two folders of one source claim one id
    │   └── InitializeFailed       its initialize raised, or took too long
    ├── LifecycleError             a transition that the table doesn't have
    ├── ExecutionError             a call that gave no result
    │   ├── PluginRaised           the plugin's own exception, with its traceback
    │   ├── FunctionMissing        the plugin doesn't offer that function
    │   ├── SchemaMismatch         a function's input or result that its schema doesn't allow
    │   ├── CallTimeout            no answer within the call's time
    │   ├── WorkerCrashed          the worker ended while it had the call
    │   ├── CircuitOpen            the plugin died too often, and isn't tried for a while
    │   ├── ProtocolViolation      the worker broke a rule of the protocol
    │   ├── PayloadTooLarge        input or result over its limit
    │   ├── ResourceExhausted      memory or another limit was reached
    │   └── Overloaded             too many calls are waiting
    ├── PermissionDenied           a right that was asked, needed or enforced, and isn't there
    │   └── Unconfined             what wasn't granted can't be enforced on this machine
    ├── DependencyError            dependencies that can't be satisfied
    │   ├── DependencyMissing      nothing provides it
    │   ├── DependencyConflict     versions exclude each other
    │   ├── DependencyCycle        plugins that wait for each other
    │   └── HasDependents          others still need it
    ├── IntegrityError             bytes that are not those that were promised
    │   └── ArchiveRefused         an archive that is damaged, ambiguous, dangerous or too large
    ├── NetworkError               something that couldn't be fetched; worth another try
    ├── StateError                 a file of DevKit's own that is damaged, locked or can't be written
    └── ExtensionError             an installed extension that can't be used

Imports nothing of ours. Each code has a page, shown by `devkit explain CODE`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "ArchiveRefused",
    "CallTimeout",
    "CircuitOpen",
    "ConfigError",
    "DependencyConflict",
    "DependencyCycle",
    "DependencyError",
    "DependencyMissing",
    "DevKitError",
    "DuplicatePlugin",
    "EntryPointError",
    "ExecutionError",
    "ExtensionError",
    "FunctionMissing",
    "HasDependents",
    "InitializeFailed",
    "IntegrityError",
    "LifecycleError",
    "LoadError",
    "LoaderMissing",
    "ManifestError",
    "NetworkError",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "PermissionDenied",
    "Place",
    "PluginRaised",
    "Problem",
    "ProtocolViolation",
    "ResourceExhausted",
    "SchemaMismatch",
    "StateError",
    "Unconfined",
    "UsageError",
    "WorkerCrashed",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: a file and, as far as known, line and column (both from 1) and key."""

    path: str
    line: int | None = None
    column: int | None = None
    key: str | None = None
    text: str | None = None  # the source line, without its line break

    def __str__(self) -> str:
        return self.path + "".join(f":{n}" for n in (self.line, self.column) if n is not None)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a file: an error, or a warning that stops nothing."""

    code: str
    message: str
    place: Place | None = None
    hint: str | None = None
    warning: bool = False


def _as_data(of: DevKitError | Problem, *names: str) -> dict[str, Any]:
    place = of.place
    where = place and {"path": place.path, "line": place.line, "column": place.column, "key": place.key}
    return {**{name: getattr(of, name) for name in names}, "place": where}


class DevKitError(Exception):
    """What went wrong, where, and what to do next.

    `code` is stable and kebab-case; the class gives a default and an instance may narrow it.
    `plugin` is the id of the plugin concerned, where there is one.
    """

    code: str = "devkit-error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        place: Place | None = None,
        hint: str | None = None,
        plugin: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.code = message, code or self.code
        self.place, self.hint, self.plugin = place, hint, plugin
        self.add_note(f"help: {hint} (devkit explain {self.code})" if hint else f"devkit explain {self.code}")

    def as_dict(self) -> dict[str, Any]:
        """Return the error as JSON-ready data; keys are added over time, never renamed."""
        return _as_data(self, "code", "message", "plugin", "hint")


class UsageError(DevKitError):
    """An argument that can't be meant."""

    code = "usage"


class ConfigError(DevKitError):
    """A setting that can't be read or has a wrong value; `problems` holds all that is wrong."""

    code = "config-invalid"

    def __init__(self, message: str, *, problems: Iterable[Problem] = (), **more: Any) -> None:
        super().__init__(message, **more)
        self.problems = tuple(problems)


class ManifestError(DevKitError):
    """A plugin.toml that can't be used; `problems` holds all that is wrong, in file order."""

    code = "manifest-invalid"

    def __init__(self, problems: Iterable[Problem], *, plugin: str | None = None) -> None:
        found = tuple(problems)
        errors = [p for p in found if not p.warning] or list(found)
        first = errors[0]
        message = first.message if len(errors) == 1 else f"{first.message} (and {len(errors) - 1} more)"
        super().__init__(message, code=first.code, place=first.place, hint=first.hint, plugin=plugin)
        self.problems = found

    def as_dict(self) -> dict[str, Any]:
        listed = [_as_data(p, "code", "message", "hint", "warning") for p in self.problems]
        return {**super().as_dict(), "problems": listed}

    def at(self, path: str) -> ManifestError:
        """Return the same error with every place moved to another path, as one a user can open."""
        moved = [replace(p, place=replace(p.place, path=path)) if p.place else p for p in self.problems]
        return ManifestError(moved, plugin=self.plugin)


class NotFound(DevKitError):
    """No plugin, loader, command or error code of that name."""

    code = "plugin-not-found"


class LoadError(DevKitError):
    """A plugin that can't be loaded."""

    code = "load-failed"


class EntryPointError(LoadError):
    """The entry point is missing, outside the plugin's folder, or of no known kind."""

    code = "entry-point-missing"


class LoaderMissing(LoadError):
    """No installed loader runs that kind of plugin."""

    code = "loader-missing"


class DuplicatePlugin(LoadError):
    """Two folders of one source claim one id, so neither is loaded."""

    code = "plugin-duplicate"


class InitializeFailed(LoadError):
    """The plugin's initialize raised or took too long; `traceback` is the plugin's own, if it has one."""

    code = "initialize-failed"

    def __init__(self, message: str, *, traceback: str | None = None, **more: Any) -> None:
        super().__init__(message, **more)
        self.traceback = traceback


class LifecycleError(DevKitError):
    """A transition that the table of states doesn't have."""

    code = "lifecycle-transition"


class ExecutionError(DevKitError):
    """A call that gave no result."""

    code = "execution-failed"


class PluginRaised(ExecutionError):
    """The plugin's own exception; `kind` is its class name, `traceback` its text with source lines."""

    code = "plugin-raised"

    def __init__(self, message: str, *, kind: str = "", traceback: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.kind, self.traceback = kind, traceback

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "kind": self.kind, "traceback": self.traceback}


class FunctionMissing(ExecutionError):
    """The plugin doesn't offer that function."""

    code = "function-missing"


class SchemaMismatch(ExecutionError):
    """A function's input (`input-invalid`: it was not called) or result (`output-invalid`) breaks its schema.

    `path` is where, as a JSONPath; `expected` and `got` say in words what was to be there and what is.
    """

    code = "schema-mismatch"

    def __init__(self, message: str, *, path: str = "$", expected: str = "", got: str = "", **more: Any):
        super().__init__(message, **more)
        self.path, self.expected, self.got = path, expected, got

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "path": self.path, "expected": self.expected, "got": self.got}


class CallTimeout(ExecutionError, TimeoutError):
    """No answer within the call's time."""

    code = "call-timeout"


class WorkerCrashed(ExecutionError):
    """The worker ended while it had the call; `signal` or `status` say how, where known."""

    code = "worker-crashed"
    for_call = False  # whether the host ended it, as a call that was cancelled didn't stop

    def __init__(self, message: str, *, signal: int | None = None, status: int | None = None, **more: Any):
        super().__init__(message, **more)
        self.signal, self.status = signal, status


class CircuitOpen(ExecutionError):
    """The plugin died too often: it is not tried for `retry_after` seconds."""

    code = "circuit-open"
    retry_after: float = 0.0


class ProtocolViolation(ExecutionError):
    """The worker broke a rule of the protocol, and was ended."""

    code = "protocol-violation"


class PayloadTooLarge(ExecutionError):
    """Input or result over its limit."""

    code = "payload-too-large"


class ResourceExhausted(ExecutionError):
    """Memory or another limit of the worker was reached; `traceback` is the plugin's own, if it has one."""

    code = "memory-limit"

    def __init__(self, message: str, *, traceback: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        self.traceback = traceback


class Overloaded(ExecutionError):
    """Too many calls, or too many bytes, are waiting for this plugin."""

    code = "overloaded"


class PermissionDenied(DevKitError):
    """A right that was asked, needed or enforced, and isn't there."""

    code = "permission-denied"


class Unconfined(PermissionDenied):
    """What wasn't granted can't be enforced on this machine."""

    code = "confinement-unavailable"


class DependencyError(DevKitError):
    """Dependencies that can't be satisfied; `chain` leads from what was asked to what failed."""

    code = "dependency-error"

    def __init__(self, message: str, *, chain: Iterable[str] = (), **more: Any) -> None:
        super().__init__(message, **more)
        self.chain = tuple(chain)

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "chain": list(self.chain)}


class DependencyMissing(DependencyError):
    """Nothing provides it."""

    code = "dependency-missing"


class DependencyConflict(DependencyError):
    """Versions exclude each other."""

    code = "dependency-conflict"


class DependencyCycle(DependencyError):
    """Plugins that wait for each other."""

    code = "dependency-cycle"


class HasDependents(DependencyError):
    """Others still need it."""

    code = "has-dependents"


class IntegrityError(DevKitError):
    """Bytes that are not those that were promised: a hash, a size or a manifest doesn't hold."""

    code = "integrity"


class ArchiveRefused(IntegrityError):
    """An archive that is damaged, ambiguous, dangerous or too large; nothing of it is used."""

    code = "archive-refused"


class NetworkError(DevKitError):
    """Something that couldn't be fetched; worth another try."""

    code = "network"


class StateError(DevKitError):
    """A file of DevKit's own that is damaged, locked or can't be written."""

    code = "state-damaged"


class ExtensionError(DevKitError):
    """An installed extension that can't be used."""

    code = "extension-broken"
