"""What installed extensions bring: loaders, sources, commands, policies, listeners."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from devkit_core.errors import DevKitError
from devkit_core.hooks.entrypoints import EXTENSIONS, LOADERS, EntryPoint, scan
from devkit_core.hooks.registration import ExtensionRecord, Registrations, by_position

if TYPE_CHECKING:
    from devkit_core.config.places import Places
    from devkit_core.config.schema import PluginSystemConfig
    from devkit_core.events.bus import PluginEvent
    from devkit_core.loading.extending import Check, CommandSpec
    from devkit_core.loading.loader import Loader
    from devkit_core.loading.source import Source
    from devkit_core.model.permissions import PermissionRequest

__all__ = ["ExtensionRecord", "Extensions"]

T = TypeVar("T")

_BOTH = (LOADERS, EXTENSIONS)
_NAME = r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?"
_COMMAND = r"[a-z0-9][a-z0-9-]*( [a-z0-9][a-z0-9-]*)?"
_TARGET = r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"
_MOST = 1000  # of what one hook may return
_OURS = r"project|path(-\d+)?|user|installed|source"  # names of the core's own sources


class Extensions:
    """The extensions of one host: found once, loaded when first asked for, skipped when broken.

    `disabled` names entry points or distributions; `cache` is a file that saves later processes the scan;
    `find` stands for the scan. Every method may be called at any time; none raises for what an extension
    does.
    """

    def __init__(
        self,
        *,
        disabled: Iterable[str] = (),
        cache: Path | None = None,
        find: Callable[[], Sequence[EntryPoint]] | None = None,
    ) -> None:
        self._all = Registrations(find if find is not None else lambda: scan(cache), disabled)
        self._given: list[str] = []
        self._loaders: list[Loader] | None = None
        self._runtimes: dict[str, str] | None = None
        self.users = 0  # hosts that run plugins by these loaders; the last one to end closes them

    @classmethod
    def with_plugins(cls, plugins: Iterable[object], *, disabled: Iterable[str] = ()) -> Extensions:
        """Return extensions made of these objects alone; nothing that is installed is looked at.

        Each object, as a module, has hook implementations as attributes. For hosts that bring their own
        and for tests.
        """
        extensions = cls(disabled=disabled, find=lambda: ())
        for plugin in plugins:
            name = _name_of(plugin)
            extensions._given.append(name)
            extensions._all.add(EntryPoint(EXTENSIONS, name, "", "", ""), plugin, _BOTH)
        return extensions

    def load(self, *groups: str) -> None:
        """Import and register the extensions of these entry-point groups (default: both), once each."""
        for group in groups or _BOTH:
            self._all.load(group)

    @property
    def records(self) -> list[ExtensionRecord]:
        """Every extension met so far: working, disabled or broken; those not asked for yet are missing."""
        return list(self._all.records.values())

    @property
    def broken(self) -> list[ExtensionRecord]:
        """What went wrong so far, one record a finding; an extension may have several."""
        return list(self._all.broken.values())

    def fingerprint(self) -> str:
        """Return a text that changes with the set of installed extensions; imports none of them."""
        found = [f"{p.group} {p.name} {p.value} {p.distribution} {p.version}" for p in self._all.points]
        return "\n".join([*found, *self._given, *sorted(self._all.disabled)])

    def loaders(self) -> list[Loader]:
        """Return every loader, in order of name; the hook is called once."""
        if self._loaders is None:
            from devkit_core.loading.loader import Loader

            found: dict[str, Loader] = {}
            kind: type[Loader] = Loader  # type: ignore[type-abstract]  # is asked about, never made
            for who, loader in self._collect("devkit_register_loaders", _BOTH, kind):
                name = getattr(loader, "name", None)
                if not isinstance(name, str) or not re.fullmatch(_NAME, name):
                    self._refuse(who, f"a loader, {type(loader).__name__}, has no usable name: {name!r}")
                elif name in found:
                    self._refuse(who, f"there is a loader {name!r} already", "extension-duplicate")
                else:
                    found[name] = loader
            self._loaders = [found[name] for name in sorted(found)]
        return list(self._loaders)

    def sources(self, config: PluginSystemConfig | None = None, places: Places | None = None) -> list[Source]:
        """Return the further sources of plugins, in order of name; the hook is called each time.

        `config` and `places` are the host's (default: the defaults, and those of the current folder).
        """
        if not self._all.implementations("devkit_register_sources", (EXTENSIONS,)):
            return []
        from devkit_core.config.places import Places
        from devkit_core.config.schema import PluginSystemConfig
        from devkit_core.loading.source import Source

        given = {"config": config or PluginSystemConfig(), "places": places or Places.find()}
        found: dict[str, Source] = {}
        kind: type[Source] = Source  # type: ignore[type-abstract]  # is asked about, never made
        for who, source in self._collect("devkit_register_sources", (EXTENSIONS,), kind, **given):
            name, rank = getattr(source, "name", None), getattr(source, "rank", None)
            if not isinstance(name, str) or not re.fullmatch(_NAME, name):
                self._refuse(who, f"a source, {type(source).__name__}, has no usable name: {name!r}")
            elif isinstance(rank, bool) or not isinstance(rank, int):
                self._refuse(who, f"the rank of source {name!r} must be a whole number")
            elif name in found or re.fullmatch(_OURS, name):
                self._refuse(who, f"there is a source {name!r} already", "extension-duplicate")
            else:
                found[name] = source
        return [found[name] for name in sorted(found)]

    def commands(self) -> list[CommandSpec]:
        """Return the commands that extensions add, in order of name."""
        if not self._all.implementations("devkit_register_commands", (EXTENSIONS,)):
            return []
        from devkit_core.loading.extending import CommandSpec

        found: dict[str, CommandSpec] = {}
        for who, command in self._collect("devkit_register_commands", (EXTENSIONS,), CommandSpec):
            name, target, line = command.name, command.target, command.help
            if not isinstance(name, str) or not re.fullmatch(_COMMAND, name):
                self._refuse(who, f"a command has no usable name: {name!r}")
            elif not isinstance(target, str) or not re.fullmatch(_TARGET, target):
                self._refuse(who, f"the target of command {name!r} must be module:attribute")
            elif not isinstance(line, str) or not line.strip() or not line.isprintable():
                self._refuse(who, f"the help of command {name!r} must be one line")
            elif name in found:
                self._refuse(who, f"there is a command {name!r} already", "extension-duplicate")
            else:
                found[name] = command
        return [found[name] for name in sorted(found)]

    def runtimes(self) -> dict[str, str]:
        """Return the virtual packages that extensions provide: name to version; the hook is called once."""
        if self._runtimes is None:
            self._runtimes = self._provided()
        return dict(self._runtimes)

    def _provided(self) -> dict[str, str]:
        hook = "devkit_register_runtimes"
        found: dict[str, str] = {}
        for who, result in self._all.answers(hook, _BOTH):
            if not isinstance(result, Mapping):
                self._refuse(who, f"{hook} must return a mapping, not a {type(result).__name__}")
                continue
            try:
                items = list(islice(result.items(), _MOST))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension's code may raise anything
                self._all.failed(who, hook, error)
                continue
            for name, version in items:
                if not isinstance(name, str) or not re.fullmatch(_NAME, name):
                    self._refuse(who, f"a runtime has no usable name: {name!r}")
                elif (problem := _version_problem(version)) is not None:
                    self._refuse(who, f"the version of runtime {name!r} can't be used: {problem}")
                elif name in found:
                    self._refuse(who, f"there is a runtime {name!r} already", "extension-duplicate")
                else:
                    found[name] = version
        return dict(sorted(found.items()))

    def checks(self) -> list[Check]:
        """Return the checks that extensions add to `devkit doctor`."""
        if not self._all.implementations("devkit_register_checks", _BOTH):
            return []
        from devkit_core.loading.extending import Check

        found: list[Check] = []
        for who, check in self._collect("devkit_register_checks", _BOTH, Check):
            if not isinstance(check.name, str) or not check.name.strip() or not callable(check.run):
                self._refuse(who, "a check needs a name and a function to run")
            else:
                found.append(check)
        return found

    def call_wrappers(self) -> list[Callable[..., Any]]:
        """Return what wraps executions, outermost first: coroutine functions of (call, proceed).

        The manager composes them once; where the list is empty a call costs nothing more.
        """
        found = self._all.implementations("devkit_call", _BOTH)
        return [by_position(each, ("call", "proceed")) for _, each in found]

    def policy(self) -> Callable[[PermissionRequest], bool | None] | None:
        """Return one function that asks every policy in turn, or None where there is none.

        The first answer that isn't None stands. A policy that raises, or answers anything else, denies.
        """
        hook = "devkit_decide_permission"
        found = [
            (who, by_position(each, ("request",))) for who, each in self._all.implementations(hook, _BOTH)
        ]
        if not found:
            return None

        def decide(request: PermissionRequest) -> bool | None:
            for who, function in found:
                try:
                    answer = function(request)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension may raise anything
                    self._all.failed(who, hook, error)
                    return False
                if answer is not None and not isinstance(answer, bool):
                    self._refuse(who, f"{hook} answered a {type(answer).__name__}, not True, False or None")
                    return False
                if answer is not None:
                    return answer
            return None

        return decide

    def listener(self) -> Callable[[PluginEvent], None] | None:
        """Return one function that tells every extension of an event, or None where none listens.

        What a listener raises is logged and recorded, and the next one is told.
        """
        hook = "devkit_plugin_event"
        found = [(who, by_position(each, ("event",))) for who, each in self._all.implementations(hook, _BOTH)]
        if not found:
            return None

        def tell(event: PluginEvent) -> None:
            for who, function in found:
                try:
                    function(event)
                except (Exception, SystemExit) as error:
                    import logging

                    log = logging.getLogger("devkit.extensions")
                    log.warning("extension %s raised in %s", who.name, hook, exc_info=error)
                    self._all.failed(who, hook, error)

        return tell

    def _collect(
        self, hook: str, groups: Sequence[str], kind: type[T], **given: Any
    ) -> Iterator[tuple[EntryPoint, T]]:
        """Call a hook that returns a sequence; yield its items that are of the kind, and who brought them."""
        for who, result in self._all.answers(hook, groups, **given):
            try:
                items = list(islice(result, _MOST))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - an extension's code may raise anything
                self._all.failed(who, hook, error)
                continue
            for item in items:
                if isinstance(item, kind):
                    yield who, item
                else:
                    self._refuse(who, f"{hook} returned a {type(item).__name__}, not a {kind.__name__}")

    def _refuse(self, point: EntryPoint, message: str, code: str = "extension-result-invalid") -> None:
        self._all.blame(point, message, code)


def _name_of(plugin: object) -> str:
    try:
        return str(getattr(plugin, "__name__", None) or type(plugin).__name__)
    except Exception:  # noqa: BLE001 - an extension's code may raise anything
        return type(plugin).__name__


def _version_problem(version: object) -> str | None:
    from devkit_core.model.versions import parse_runtime_version

    if not isinstance(version, str):
        return f"it is no text: {version!r}"
    try:
        parse_runtime_version(version)
    except DevKitError as error:
        return error.message
    return None
