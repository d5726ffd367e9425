"""PluginSystemConfig: every setting, its type, bounds and meaning."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from devkit_core.errors import ConfigError, DevKitError, Place, Problem
from devkit_core.model.limits import LIMITS, given_limits

__all__ = [
    "PluginSystemConfig",
    "Setting",
    "Value",
    "check",
    "nearest",
    "parse",
    "setting",
    "settings",
    "summary",
]

Value = str | int | float | bool | tuple[str, ...]

_ADDRESS = r"file:///[^#?]*|https?://[^/@#?]+(/[^#?]*)?"
_NAME = r"(?i)[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"


def _off(value: Any, before: Any) -> bool:
    return before is True and value is False


def _on(value: Any, before: Any) -> bool:
    return before is False and value is True


def _adds(value: Any, before: Any) -> bool:
    return not set(value) <= set(before)


def _differs(value: Any, before: Any) -> bool:
    return bool(value != before)


def _raises(value: Any, before: Any) -> bool:
    return bool(value > before)


def _lifts(value: Any, before: Any) -> bool:
    """As `_raises`, where 0 is no limit."""
    return bool(before and (not value or value > before))


class Setting(NamedTuple):
    """One setting: `kind` is bool, int, float, str or tuple (texts); `low` and `high` are inclusive.

    `loosens(value, before)` tells whether a value gives more away than the one it replaces; None where
    no value can.
    """

    name: str
    kind: type
    default: Value
    doc: str
    low: float | None = None
    high: float | None = None
    loosens: Callable[[Any, Any], bool] | None = None

    @property
    def expects(self) -> str:
        """What a value must be, for messages."""
        noun = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        text = noun.get(self.kind, "a list of texts")
        if self.low is None:
            return text
        return f"{text} from {self.low} to {self.high}"


def _about(
    doc: str,
    low: float | None = None,
    high: float | None = None,
    loosens: Callable[[Any, Any], bool] | None = None,
) -> dict[str, Any]:
    return {"doc": doc, "low": low, "high": high, "loosens": loosens}


def _limit(name: str) -> Any:
    """Return the field of a limit: what every plugin may use at most, where a project may only lower it."""
    which = next(each for each in LIMITS if each.name == name)
    loosens = _lifts if which.low == 0 else _raises if name != "call_seconds" else None
    return field(default=which.default, metadata=_about(which.doc, which.low, which.high, loosens))


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSystemConfig:
    """How a plugin system behaves; immutable. Raises ConfigError, with every problem, for a wrong value.

    Times are in seconds, sizes in MiB.
    """

    plugin_dir: str | Path = field(
        default="plugins", metadata=_about("The project's folder of plugins, relative to its root.")
    )
    max_plugins: int = field(
        default=50, metadata=_about("How many plugins may be loaded at once.", 1, 10_000)
    )
    execution_timeout: float = _limit("call_seconds")
    initialize_timeout: float = field(
        default=10.0, metadata=_about("Seconds that a plugin's initialize may take.", 0.001, 3_600)
    )
    shutdown_timeout: float = field(
        default=5.0,
        metadata=_about("Seconds that a plugin's shutdown may take before it is ended.", 0.001, 3_600),
    )
    idle_timeout: float = field(
        default=0.0,
        metadata=_about(
            "Seconds without a call, after which a plugin that is started on demand is stopped; 0 is never.",
            0,
            86_400,
        ),
    )
    max_workers: int = field(
        default=8,
        metadata=_about("Workers that one plugin may have, whatever its manifest asks.", 1, 64, _raises),
    )
    max_restarts: int = field(
        default=5,
        metadata=_about(
            "Restarts of one plugin in restart_window; with one more its calls fail at once, for a while.",
            0,
            1_000_000,
            _raises,
        ),
    )
    restart_window: float = field(
        default=60.0, metadata=_about("Seconds in which restarts are counted.", 0.001, 86_400)
    )
    circuit_cool_down: float = field(
        default=30.0,
        metadata=_about(
            "Seconds for which calls of a plugin that died too often fail before it is tried.", 0.001, 86_400
        ),
    )
    ping_interval: float = field(
        default=30.0,
        metadata=_about("Seconds between looks whether an idle worker still answers; 0 is never.", 0, 86_400),
    )
    ping_timeout: float = field(
        default=5.0,
        metadata=_about("Seconds in which an idle worker has to answer; else it is replaced.", 0.001, 3_600),
    )
    enable_sandbox: bool = field(
        default=True, metadata=_about("Confine plugins to what they were granted.", loosens=_off)
    )
    allow_unconfined: bool = field(
        default=False,
        metadata=_about(
            "Load plugins even where this machine can't enforce what they weren't granted.", loosens=_on
        ),
    )
    default_permissions: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Permissions that every plugin that asks for them gets without a grant.", loosens=_adds
        ),
    )
    memory_limit_mb: int = _limit("memory_mb")
    max_cpu_seconds: int = _limit("cpu_seconds")
    max_open_files: int = _limit("open_files")
    max_threads: int = _limit("threads")
    max_scratch_mb: int = _limit("scratch_mb")
    max_scratch_files: int = _limit("scratch_files")
    max_output_kb: int = _limit("output_kb")
    max_log_lines: int = _limit("log_lines")
    max_payload_mb: int = _limit("payload_mb")
    max_waiting_calls: int = field(
        default=20_000,
        metadata=_about(
            "Calls of all plugins that may wait for their turn in this host; one plugin's take half at most.",
            2,
            10_000_000,
            _raises,
        ),
    )
    max_waiting_mb: int = field(
        default=256,
        metadata=_about(
            "MiB that the inputs of waiting calls may have; one plugin's take half at most.",
            1,
            1_048_576,
            _raises,
        ),
    )
    limits: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Limits of single plugins that go over their manifests and the settings above, as "
            "my-plugin:memory_mb=512.",
            loosens=_adds,
        ),
    )
    loader_order: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Loaders that are asked first, in this order, when several could run a plugin.", loosens=_differs
        ),
    )
    trusted_plugins: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Plugins that run in this very process, unconfined, where their loader can: ids, or absolute "
            "folders. An id doesn't count for a plugin of the project's own folder.",
            loosens=_adds,
        ),
    )
    hot_reload: bool = field(
        default=True,
        metadata=_about(
            "Watch the folders of loaded plugins in a program that runs on, and swap those that change."
        ),
    )
    debounce_delay_ms: int = field(
        default=300,
        metadata=_about("Milliseconds that a plugin's files must rest before a change counts.", 10, 60_000),
    )
    max_reload_attempts: int = field(
        default=3, metadata=_about("How often a changed plugin is tried, until its files change.", 1, 100)
    )
    ignore_patterns: tuple[str, ...] = field(
        default=(".git", "__pycache__", "node_modules", "target", "*.tmp", "*.swp", "*~"),
        metadata=_about("Names of files and folders whose changes don't count for hot reload."),
    )
    registry_urls: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Catalogues that are asked before the one DevKit brings, nearest first: file:// and a folder's "
            "path.",
            loosens=_adds,
        ),
    )
    disabled_extensions: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Extensions that are not loaded, by entry point name or distribution.", loosens=_differs
        ),
    )

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        for each in settings():
            given = getattr(self, each.name)
            try:
                object.__setattr__(self, each.name, check(each, given))
            except ConfigError as error:
                place = Place("PluginSystemConfig", key=each.name)
                problems.append(Problem(error.code, error.message, place, error.hint))
        if problems:
            raise summary(problems)


@cache
def settings() -> tuple[Setting, ...]:
    """Return every setting, in the order in which they are declared."""
    return tuple(
        Setting(name=each.name, kind=type(each.default), default=cast("Value", each.default), **each.metadata)
        for each in fields(PluginSystemConfig)
    )


def setting(name: str) -> Setting | None:
    """Return the setting of that name, if there is one."""
    return next((each for each in settings() if each.name == name), None)


def check(which: Setting, value: Any) -> Any:
    """Return the value in the setting's type; raises ConfigError without a place.

    A whole number stands for a float, a list for a tuple; nothing else is converted.
    """
    name = which.name
    if which.kind is tuple:
        return _texts(which, value)
    if which.kind is str:
        if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
            raise ConfigError(f"{name} must be a path, not {_shown(value)}")
        return value
    if which.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e15 else math.inf
    if type(value) is not which.kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(f"{name} must be {which.expects}, not {_shown(value)}")
    if (
        isinstance(value, (int, float))
        and which.low is not None
        and which.high is not None
        and not which.low <= value <= which.high
    ):
        raise ConfigError(f"{name} must be {which.expects}, not {_shown(value)}")
    return value


def _texts(which: Setting, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise ConfigError(f"{which.name} must be {which.expects}, not {_shown(value)}")
    if len(value) > 100:
        raise ConfigError(f"{which.name} has {len(value)} entries; 100 is the limit")
    for each in value:
        if not each.strip() or not each.isprintable() or len(each) > 200:
            raise ConfigError(f"{which.name} has an entry that can't be meant: {_shown(each)}")
        if which.name == "registry_urls":
            _check_address(each.strip())
            continue
        if which.name in ("ignore_patterns", "limits"):
            continue
        folder = which.name == "trusted_plugins" and each.startswith("/")
        if which.name != "default_permissions" and not folder and not re.fullmatch(_NAME, each):
            raise ConfigError(f"{which.name} has an entry that is no name: {_shown(each)}")
    texts = tuple(dict.fromkeys(each.strip() for each in value))
    if which.name == "limits":
        given_limits(texts)
    return _permissions(texts) if which.name == "default_permissions" and texts else texts


def _check_address(text: str) -> None:
    if not re.fullmatch(_ADDRESS, text):
        raise ConfigError(
            f"registry_urls has an entry that is no address of a catalogue: {_shown(text)}",
            hint="Write file:// and the absolute path of a folder, as file:///srv/catalogue.",
        )


def _permissions(texts: tuple[str, ...]) -> tuple[str, ...]:
    from devkit_core.model.permissions import parse_permission

    try:
        return tuple(dict.fromkeys(str(parse_permission(each)) for each in texts))
    except DevKitError as error:
        raise ConfigError(f"default_permissions: {error.message}", hint=error.hint) from error


def parse(which: Setting, text: str) -> Any:
    """Return the value that a text stands for, as variables and the command line give it.

    Lists are separated by commas. Raises ConfigError without a place.
    """
    word = text.strip()
    value: Any = word
    if which.kind is bool:
        value = {"true": True, "1": True, "yes": True, "on": True}.get(word.lower(), value)
        value = {"false": False, "0": False, "no": False, "off": False}.get(word.lower(), value)
    elif which.kind is tuple:
        value = [each.strip() for each in word.split(",") if each.strip()]
    elif which.kind in (int, float) and len(word) <= 40:
        with suppress(ValueError):
            value = int(word)
        if which.kind is float and not isinstance(value, int):
            with suppress(ValueError):
                value = float(word)
    return check(which, value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number that is far too large"
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def summary(problems: Iterable[Problem]) -> ConfigError:
    """Return one error for all problems; its code, place and hint are those of the first."""
    found = tuple(problems)
    first = found[0]
    message = "; ".join(each.message for each in found[:5])
    if len(found) > 5:
        message += f"; and {len(found) - 5} more"
    return ConfigError(message, code=first.code, place=first.place, hint=first.hint, problems=found)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that was most likely meant, or None where none is near."""
    import difflib

    match = difflib.get_close_matches(name[:100], list(names), n=1, cutoff=0.7)
    return match[0] if match else None
