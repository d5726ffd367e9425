"""What a plugin may use: its limits, and who sets them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from devkit_core.errors import ConfigError

__all__ = ["EVERY", "LIMITS", "Held", "Limit", "given_limits", "held", "how_to_raise", "limit"]

#: stands for the id of a plugin where a limit is given for each
EVERY = "*"
_GIVEN = r"(\*|[a-z0-9][a-z0-9-]{0,63}):([a-z_]{1,40})=([0-9]{1,9}(?:\.[0-9]{1,3})?)"

Number = int | float


class Limit(NamedTuple):
    """One limit: `setting` bounds it for every plugin, `key` of a manifest lowers it for one.

    `code` is of the error where it is reached, or of the event where that is no error. 0 of a limit whose
    `low` is 0 means none.
    """

    name: str
    setting: str
    key: str
    code: str
    default: Number
    low: Number
    high: Number
    unit: str
    doc: str


#: the order is that of every listing
LIMITS = (
    Limit(
        *("memory_mb", "memory_limit_mb", "max_memory_mb", "memory-limit", 256, 16, 1_048_576, "MiB"),
        "MiB of memory that a worker may use over what its idle runtime needs.",
    ),
    Limit(
        *("cpu_seconds", "max_cpu_seconds", "max_cpu_seconds", "cpu-limit", 0, 0, 31_536_000, "s"),
        "Seconds of processor time that a worker may use in its whole life; 0 is no limit.",
    ),
    Limit(
        *("call_seconds", "execution_timeout", "execution_timeout_seconds", "call-timeout"),
        *(300.0, 0.001, 86_400, "s"),
        "Seconds that a call may take where it sets no limit of its own.",
    ),
    Limit(
        *("open_files", "max_open_files", "max_open_files", "open-files-limit", 64, 16, 65_536, ""),
        "How many files and connections a worker may have open at once.",
    ),
    Limit(
        *("threads", "max_threads", "max_threads", "thread-limit", 64, 1, 4_096, ""),
        "How many threads a worker may have at once.",
    ),
    Limit(
        *("scratch_mb", "max_scratch_mb", "max_disk_usage_mb", "scratch-limit", 100, 1, 1_048_576, "MiB"),
        "MiB that a worker's scratch folder may hold.",
    ),
    Limit(
        *("scratch_files", "max_scratch_files", "max_scratch_files", "scratch-limit"),
        *(10_000, 1, 10_000_000, ""),
        "How many files and folders a worker's scratch folder may hold.",
    ),
    Limit(
        *("output_kb", "max_output_kb", "max_output_kb", "output-dropped", 256, 1, 1_048_576, "KiB/s"),
        "KiB a second that a plugin may print, and four times that at once; what is more is dropped.",
    ),
    Limit(
        *("log_lines", "max_log_lines", "max_log_lines", "output-dropped", 1_000, 1, 1_000_000, "lines/s"),
        "Lines a second that a plugin may print, and four times that at once; what is more is dropped.",
    ),
    Limit(
        *("payload_mb", "max_payload_mb", "max_payload_mb", "payload-too-large", 64, 1, 1_024, "MiB"),
        "MiB that one input or one result may have.",
    ),
)


class Held(NamedTuple):
    """The value of a limit that holds for a plugin, None for none, and who set it."""

    limit: Limit
    value: Number | None
    by: Literal["setting", "manifest", "user"]


def limit(name: str) -> Limit | None:
    """Return the limit of that name, if there is one."""
    return next((each for each in LIMITS if each.name == name), None)


def held(
    plugin: str,
    asked: Mapping[str, Number | None],
    settings: Mapping[str, Any],
    given: Iterable[str],
) -> tuple[Held, ...]:
    """Return what holds for a plugin: the user's own word, or else the lower of manifest and setting.

    `asked` is by the manifest's keys, `settings` by theirs, `given` as `given_limits` reads it.
    """
    told = given_limits(given)
    own = {**told.get(EVERY, {}), **told.get(plugin, {})}
    found = []
    for each in LIMITS:
        by: Literal["setting", "manifest", "user"] = "setting"
        value: Number | None = settings[each.setting] or None
        wanted = asked.get(each.key)
        if wanted is not None and (value is None or wanted < value):
            value, by = wanted, "manifest"
        if each.name in own:
            value, by = own[each.name] or None, "user"
        found.append(Held(each, value, by))
    return tuple(found)


def given_limits(texts: Iterable[str]) -> dict[str, dict[str, Number]]:
    """Return the limits that a user gave by plugin and name, of texts as `ID:memory_mb=512`.

    `*` is every plugin. Raises ConfigError without a place.
    """
    found: dict[str, dict[str, Number]] = {}
    for text in texts:
        match = re.fullmatch(_GIVEN, text.strip())
        which = limit(match[2]) if match else None
        if match is None or which is None:
            near = _nearest(text)
            raise ConfigError(
                f"{text[:60]!a} is no limit",
                hint=near
                or f"Write ID:NAME=NUMBER, with a name of {', '.join(each.name for each in LIMITS)}.",
            )
        value: Number = (
            float(match[3]) if isinstance(which.default, float) or "." in match[3] else int(match[3])
        )
        if not which.low <= value <= which.high or (
            isinstance(value, float) and not isinstance(which.default, float)
        ):
            whole = "a number" if isinstance(which.default, float) else "a whole number"
            raise ConfigError(
                f"{which.name} must be {whole} from {which.low} to {which.high}, not {match[3]}"
            )
        found.setdefault(match[1], {})[which.name] = value
    return found


def _nearest(text: str) -> str | None:
    import difflib

    name = text.partition(":")[2].partition("=")[0]
    match = difflib.get_close_matches(name[:40], [each.name for each in LIMITS], n=1, cutoff=0.7)
    return f"Did you mean {match[0]}?" if match and match[0] != name else None


def how_to_raise(name: str, plugin: str) -> str:
    """Return how a user raises a limit for a plugin, as the hint of an error."""
    return (
        f"`--limit {name}=N` for one run, `{plugin}:{name}=N` in the setting `limits` for good; "
        f"`devkit plugin info {plugin}` shows what holds"
    )
