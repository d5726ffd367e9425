"""Loading, validating and calling hook implementations, each in its own failure domain."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from devkit_core.errors import ExtensionError, Place
from devkit_core.hooks.entrypoints import EntryPoint

if TYPE_CHECKING:
    import pluggy
    from pluggy import HookImpl

__all__ = ["ExtensionRecord", "Registrations", "by_position"]

_MOST = 1000  # findings that are kept


class ExtensionRecord(NamedTuple):
    """What is known of one extension; `error` says what is wrong with it, where something is."""

    name: str
    group: str
    distribution: str
    version: str
    disabled: bool = False
    error: ExtensionError | None = None


class _Registered(NamedTuple):
    point: EntryPoint
    plugin: object
    groups: set[str]


class Registrations:
    """The extensions of one host behind their hooks; a broken one is recorded and skipped.

    `find` returns what is installed and is called at most once; `disabled` names entry points or
    distributions.
    """

    def __init__(self, find: Callable[[], Sequence[EntryPoint]], disabled: Iterable[str]) -> None:
        self.disabled = frozenset(_plain(each) for each in disabled)
        self.records: dict[tuple[str, str, str], ExtensionRecord] = {}
        self.broken: dict[tuple[str, str, str, str], ExtensionRecord] = {}
        self._find = find
        self._points: tuple[EntryPoint, ...] | None = None
        self._loaded: set[str] = set()
        self._manager: pluggy.PluginManager | None = None
        self._registered: dict[str, _Registered] = {}

    @property
    def points(self) -> tuple[EntryPoint, ...]:
        """All that is installed; imports none of it."""
        if self._points is None:
            self._points = tuple(self._find())
        return self._points

    def load(self, group: str) -> None:
        """Import and register the extensions of one entry-point group, once."""
        if group in self._loaded:
            return
        self._loaded.add(group)
        names: set[str] = set()
        for point in self.points:
            if point.group != group:
                continue
            if self._is_disabled(point):
                self.records[_identity(point)] = _record(point, disabled=True)
            elif point.name in names:
                message = f"another extension of {group} has the same name; the first one counts"
                self.blame(point, message, "extension-duplicate")
            else:
                names.add(point.name)
                self._load_one(point)

    def add(self, point: EntryPoint, plugin: object, groups: Iterable[str]) -> None:
        """Register an object's hook implementations; one that doesn't fit its spec breaks the extension."""
        if self._is_disabled(point):
            self.records[_identity(point)] = _record(point, disabled=True)
            return
        for known in self._registered.values():
            if known.plugin is plugin:  # one module may stand in both groups
                known.groups.update(groups)
                self.records[_identity(point)] = _record(point)
                return
        manager = self._hooks()
        name = " ".join(_identity(point))
        while name in self._registered:
            name += "+"
        try:
            manager.register(plugin, name=name)
            problem = _misfit(manager, plugin)
        except Exception as error:  # noqa: BLE001 - pluggy's own finding, or an attribute that raises
            problem = " ".join(_said(error).split())
        if problem is not None:
            if manager.get_plugin(name) is not None:
                manager.unregister(name=name)
            self.blame(point, problem, "extension-hook-invalid")
            return
        self._registered[name] = _Registered(point, plugin, set(groups))
        self.records[_identity(point)] = _record(point)
        for caller in manager.get_hookcallers(plugin) or ():
            optional = all(each.optionalhook for each in caller.get_hookimpls() if each.plugin is plugin)
            if not caller.has_spec() and not optional:
                message = f"it implements {caller.name}, which is no hook of this DevKit"
                self.blame(point, message, "extension-hook-invalid")

    def implementations(self, hook: str, groups: Sequence[str]) -> list[tuple[EntryPoint, HookImpl]]:
        """Return a hook's implementations in calling order: tryfirst, plain, trylast, and by name in each."""
        for group in groups:
            self.load(group)
        if self._manager is None:
            return []
        found = [
            each
            for each in getattr(self._manager.hook, hook).get_hookimpls()
            if self._registered[each.plugin_name].groups & set(groups)
        ]
        found.sort(key=lambda each: (not each.tryfirst, each.trylast, each.plugin_name))
        return [(self._registered[each.plugin_name].point, each) for each in found]

    def answers(self, hook: str, groups: Sequence[str], **given: Any) -> Iterator[tuple[EntryPoint, Any]]:
        """Call a hook with those of the arguments that each takes; yield who answered what, but not None."""
        for who, each in self.implementations(hook, groups):
            try:
                result = each.function(*(given[name] for name in each.argnames))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension's code may raise anything
                self.failed(who, hook, error)
                continue
            if result is not None:
                yield who, result

    def failed(self, point: EntryPoint, hook: str, error: BaseException) -> None:
        """Record what an implementation raised."""
        self.blame(point, f"{hook} raised {_said(error)}", "extension-hook-failed", _place(error))

    def blame(self, point: EntryPoint, message: str, code: str, place: Place | None = None) -> None:
        """Record what is wrong with an extension; the same finding once."""
        hint = f"Mend or uninstall it, or: devkit config set --add disabled_extensions {point.name}"
        error = ExtensionError(f"{point.name}: {message}"[:1000], code=code, place=place, hint=hint)
        record = _record(point, error=error)
        if len(self.broken) < _MOST:
            self.broken.setdefault((*_identity(point), error.message), record)
        self.records[_identity(point)] = record

    def _is_disabled(self, point: EntryPoint) -> bool:
        return bool(self.disabled & {_plain(point.name), _plain(point.distribution)})

    def _load_one(self, point: EntryPoint) -> None:
        if point.problem:
            self.blame(point, point.problem, "extension-broken")
            return
        module, _, attribute = point.value.split("[")[0].partition(":")
        try:
            plugin: object = importlib.import_module(module.strip())
            for part in attribute.strip().split(".") if attribute.strip() else ():
                plugin = getattr(plugin, part)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension's code may raise anything
            message = f"{point.value} can't be imported: {_said(error)}"
            self.blame(point, message, "extension-broken", _place(error))
            return
        self.add(point, plugin, {point.group})

    def _hooks(self) -> pluggy.PluginManager:
        if self._manager is None:
            import pluggy

            from devkit_core.hooks import specs

            self._manager = pluggy.PluginManager("devkit")
            self._manager.add_hookspecs(specs)
        return self._manager


def by_position(implementation: HookImpl, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function that takes a spec's arguments by position, whichever the implementation takes."""
    function: Callable[..., Any] = implementation.function
    if tuple(implementation.argnames) == names:
        return function

    def call(*values: Any) -> Any:
        given = dict(zip(names, values, strict=True))
        return function(*(given[name] for name in implementation.argnames))

    return call


def _misfit(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Return what is wrong with an object's implementations that pluggy itself lets pass."""
    from inspect import iscoroutinefunction

    for caller in manager.get_hookcallers(plugin) or ():
        for each in caller.get_hookimpls() if caller.has_spec() else ():
            if each.plugin is not plugin:
                continue
            if each.wrapper or each.hookwrapper:
                return f"{caller.name} is a pluggy wrapper; hooks of DevKit have plain implementations"
            if iscoroutinefunction(each.function) != (caller.name == "devkit_call"):
                kind = "async" if caller.name == "devkit_call" else "a plain function, not async"
                return f"{caller.name} must be {kind}"
    return None


def _identity(point: EntryPoint) -> tuple[str, str, str]:
    return point.group, point.name, point.distribution


def _record(
    point: EntryPoint, *, disabled: bool = False, error: ExtensionError | None = None
) -> ExtensionRecord:
    return ExtensionRecord(point.name, point.group, point.distribution, point.version, disabled, error)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an exception's own text may raise
        return type(error).__name__


def _place(error: BaseException) -> Place | None:
    """Return where in the extension's code an exception comes from, as far as its traceback tells."""
    if isinstance(error, SyntaxError) and error.filename:
        return Place(error.filename, error.lineno, error.offset)
    place: Place | None = None
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not filename.startswith("<") and filename not in (__file__, importlib.__file__):
            place = Place(filename, trace.tb_lineno)
        trace = trace.tb_next
    return place
