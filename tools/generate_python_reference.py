"""Writes docs/reference/python.md from the code, or checks that it is up to date."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from devkit_core import errors
from devkit_core.events.bus import PluginEvent, Subscription
from devkit_core.events.stats import Latency, PluginStats, SystemStats
from devkit_core.manager import PluginManager, ScanReport
from devkit_core.model.types import Discovered, PluginHealth, PluginInfo, PluginStatus
from devkit_core.running.handle import PluginHandle
from devkit_core.running.mapping import Outcome

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "python.md"
#: what a program has from a manager, and those of its members that are meant for programs; none: all
CLASSES: dict[type, tuple[str, ...]] = {
    PluginManager: (),
    PluginHandle: (
        "id", "name", "version", "info", "pid",
        "execute", "call", "invoke", "stream", "map", "ready", "takes_json",
    ),
    ScanReport: (),
    PluginInfo: (),
    PluginStatus: (),
    PluginHealth: (),
    Discovered: (),
    Outcome: (),
    PluginEvent: (),
    Subscription: ("close",),
    PluginStats: (),
    Latency: (),
    SystemStats: (),
}  # fmt: skip
HEAD = """\
# The Python interface

Made from the code by `tools/generate_python_reference.py`.
[Build a host](../tutorials/embed-devkit.md) shows it in use.

| import | for |
|---|---|
| `devkit_core` | `PluginManager` and the types that it gives: {names} |
| `devkit_core.blocking` | the same [without an event loop](../how-to/use-without-an-event-loop.md) |
| `devkit_core.plugins` | plugins [as modules](../how-to/typed-functions.md#by-name-with-types) |
| `devkit_core.errors` | every error, [below](#errors) |
| `devkit_core.config.sources` | `load(places)`: the [settings](configuration.md) of files and variables |
| `devkit_core.api` | what [extensions](hooks.md) and loaders are made of, and `Places` |
| `devkit_core.testing` | the [conformance suite](conformance.md) of loaders |

Everything else may change. `PluginSystemConfig` takes the [settings](configuration.md#settings) as arguments.
`blocking.PluginManager` has every method below but `listen` and `handle`, and nothing is awaited: its
handles, streams and events are plain ones, and `map` takes plain iterables.
"""


def page() -> str:
    """Return the whole page."""
    import devkit_core

    names = ", ".join(
        f"`{each}`" for each in devkit_core.__all__ if each[0].isupper() and each != "PluginManager"
    )
    lines = [HEAD.format(names=names)]
    for each, chosen in CLASSES.items():
        lines += ["", f"## {each.__name__}", "", *_class(each, chosen)]
    drawn = inspect.getdoc(errors) or ""
    tree = textwrap.dedent(drawn[drawn.index("\n\n") : drawn.rindex("\n\n")].strip("\n"))
    lines += [
        "",
        "## Errors",
        "",
        *_text(f"`{errors.DevKitError.__name__}`: {inspect.getdoc(errors.DevKitError)}"),
        "",
        *_text("`devkit explain CODE` shows the page of a code, `devkit explain --list` all codes."),
        "",
        "```text",
        tree,
        "```",
    ]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _class(each: type, chosen: tuple[str, ...]) -> Iterator[str]:
    documented = inspect.getdoc(each) or ""
    if issubclass(each, enum.Enum):
        yield from _text(f"{documented} {', '.join(f'`{member.value}`' for member in each)}.")
        return
    yield from _text(documented)
    yield ""
    if fields := _fields(each):
        yield from (f"- `{name}: {kind}`" for name, kind in fields)
    elif each is PluginManager:
        yield from _entry(_signature("PluginManager", each.__init__), None)
    for name in chosen or tuple(vars(each)):
        member = vars(each)[name]
        if name.startswith("_") or not (inspect.isroutine(member) or isinstance(member, property)):
            continue
        if isinstance(member, property):
            yield from _entry(f"{name}: {member.fget.__annotations__['return']}", inspect.getdoc(member))
        else:
            waits = "await " if inspect.iscoroutinefunction(member) else ""
            yield from _entry(waits + _signature(name, member), inspect.getdoc(member))


def _fields(each: type) -> list[tuple[str, str]]:
    """A record's fields, each with its type as it is written."""
    if dataclasses.is_dataclass(each) or hasattr(each, "_fields"):
        kinds = inspect.get_annotations(each)
        return [(name, str(getattr(kind, "__forward_arg__", kind))) for name, kind in kinds.items()]
    return []


def _signature(name: str, function: Callable[..., Any]) -> str:
    told = inspect.signature(function)
    without_self = told.replace(parameters=list(told.parameters.values())[1:])
    text = re.sub(r"'([^']*)'", r"\1", re.sub(r"(?<== )''", '""', str(without_self)))
    return f"{name}{text}".removesuffix(" -> None")


def _entry(signature: str, documented: str | None) -> Iterator[str]:
    yield f"- `{signature}`"
    for paragraph in (documented or "").split("\n\n"):
        if paragraph:
            yield from ["", *(f"  {line}" for line in _wrapped(paragraph, 116))]
    yield ""


def _text(documented: str) -> Iterator[str]:
    for number, paragraph in enumerate(documented.split("\n\n")):
        yield from ["", *_wrapped(paragraph, 118)] if number else _wrapped(paragraph, 118)


def _wrapped(paragraph: str, width: int) -> list[str]:
    return textwrap.wrap(" ".join(paragraph.split()), width, break_long_words=False, break_on_hyphens=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when it is not up to date"
    )
    check = parser.parse_args().check
    text = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print(f"stale {PAGE}")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
