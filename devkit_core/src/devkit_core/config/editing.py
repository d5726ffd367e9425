"""Reading and changing one setting, for `devkit config get`, `set` and `unset`."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from devkit_core.config.files import read_bounded, replace_file
from devkit_core.config.places import Places
from devkit_core.config.schema import Setting, check, nearest, parse, setting, settings
from devkit_core.config.sources import TABLE, Loaded, Origin, read, refuse_loosening
from devkit_core.errors import ConfigError, NotFound, Place, StateError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

__all__ = ["config_get", "config_set", "config_unset"]


def config_get(loaded: Loaded, key: str) -> tuple[Any, Origin]:
    """Return a setting's value and where it came from; raises NotFound for a name that is no setting."""
    which = _known(key)
    return getattr(loaded.config, which.name), loaded.origins[which.name]


def config_set(
    places: Places,
    key: str,
    value: str,
    scope: Literal["user", "project"] = "user",
    *,
    add: bool = False,
    dry_run: bool = False,
) -> tuple[Any, Path]:
    """Write one setting into the user's or the project's file, comments kept; return the value and the file.

    The value is read as in a variable: lists by comma; with `add` what it lists joins what is set there.
    Raises NotFound for a name that is no setting, ConfigError for a value it can't have, for one to add
    where it is no list, for a file that doesn't parse, and, for the project's file, for a value that
    loosens safety; StateError where the file can't be written. The file is then as it was,
    and with `dry_run` it is never touched.
    """
    which = _known(key)
    path = places.user_file if scope == "user" else places.project_file
    with _changing(places, path, dry_run):
        parsed = _parsed(places, which, value, scope, path, add)
        if not dry_run:
            _write(path.resolve(), which, parsed)
    return parsed, path


def config_unset(
    places: Places, key: str, scope: Literal["user", "project"] = "user", *, dry_run: bool = False
) -> tuple[bool, Path]:
    """Take one setting out of the user's or the project's file, comments kept; return whether it was there.

    Raises as `config_set`. The file comes second in the answer.
    """
    which = _known(key)
    path = places.user_file if scope == "user" else places.project_file
    with _changing(places, path, dry_run):
        there = _remove(path.resolve(), which, dry_run)
    return there, path


@contextmanager
def _changing(places: Places, path: Path, dry_run: bool) -> Iterator[None]:
    try:
        with nullcontext() if dry_run else _lock(places):
            yield
    except OSError as error:
        raise StateError(
            f"settings can't be written: {error.strerror or error}",
            code="config-unwritable",
            place=Place(str(path)),
        ) from error


def _parsed(places: Places, which: Setting, value: str, scope: str, path: Path, add: bool) -> Any:
    outside = _without_project(places)
    try:
        parsed = parse(which, value)
        if add:
            if which.kind is not tuple:
                raise ConfigError(f"{which.name} is no list, so nothing can be added to it")
            there = read(places if scope == "project" else outside, environ={}).config
            parsed = check(which, list(dict.fromkeys((*getattr(there, which.name), *parsed))))
        if scope == "project":
            before = getattr(read(outside, environ={}).config, which.name)
            refuse_loosening(which, parsed, before, places)
    except ConfigError as error:
        place = Place(str(path), key=f"{TABLE}.{which.name}")
        raise ConfigError(error.message, code=error.code, place=place, hint=error.hint) from error
    return parsed


def _known(key: str) -> Setting:
    name = key.removeprefix(f"{TABLE}.").replace("-", "_")
    which = setting(name)
    if which is None:
        near = nearest(name, (each.name for each in settings()))
        hint = f"Did you mean {near}?" if near else "`devkit config show` lists every setting."
        raise NotFound(f"there is no setting {key!r}", code="config-unknown-key", hint=hint)
    return which


def _without_project(places: Places) -> Places:
    """Return places whose project has no file: what a project's value is measured against."""
    from dataclasses import replace

    return replace(places, project=places.config / "no-project")


def _lock(places: Places) -> Any:
    from filelock import FileLock

    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(places.state / "config.lock", timeout=10)


def _write(path: Path, which: Setting, value: Any) -> None:
    import tomlkit

    document, mode = _document(path)
    if TABLE not in document:
        document[TABLE] = tomlkit.table()
    _table(document, path)[which.name] = list(value) if which.kind is tuple else value
    replace_file(path, tomlkit.dumps(document).encode(), mode=mode, durable=True)


def _remove(path: Path, which: Setting, dry_run: bool) -> bool:
    import tomlkit

    document, mode = _document(path)
    if TABLE not in document or which.name not in _table(document, path):
        return False
    del _table(document, path)[which.name]
    if not dry_run:
        replace_file(path, tomlkit.dumps(document).encode(), mode=mode, durable=True)
    return True


def _document(path: Path) -> tuple[TOMLDocument, int]:
    """Return a file of settings to edit, empty where there is none, and its mode."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        data, facts = read_bounded(path, 256 * 1024)
        return tomlkit.parse(data.removeprefix(b"\xef\xbb\xbf").decode()), stat.S_IMODE(facts.st_mode)
    except FileNotFoundError:
        return tomlkit.document(), 0o644
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the file doesn't parse, so nothing was changed: {error}",
            code="config-syntax",
            place=Place(str(path)),
            hint="Mend the file by hand first.",
        ) from error


def _table(document: TOMLDocument, path: Path) -> dict[str, Any]:
    table = document[TABLE]
    if not isinstance(table, dict):
        raise ConfigError(f"{TABLE} must be a table", place=Place(str(path), key=TABLE))
    return table
