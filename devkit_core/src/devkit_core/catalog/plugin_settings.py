"""Values of plugins' own settings: files, environment, command line, runtime."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from devkit_core.config.environment import plugin_variable
from devkit_core.config.files import read_bounded, replace_file
from devkit_core.errors import ConfigError, ManifestError, NotFound, Place, Problem, StateError, UsageError
from devkit_core.model.config_fields import ConfigField, check_values, plain
from devkit_core.model.plugin_config import (
    Layer,
    Origin,
    PluginConfig,
    assemble,
    dotted,
    field_at,
    from_text,
    refused,
)

if TYPE_CHECKING:
    from devkit_core.config.places import Places
    from devkit_core.model.manifest import Manifest

__all__ = ["PluginSettings", "given_texts"]

_LIMIT: Final = 256 * 1024  # bytes of one file


class PluginSettings:
    """Reads, checks and writes the settings of plugins.

    Values are laid over the manifest's defaults in this order: the user's file, the user's secrets,
    `environ`, `given` (texts of the command line, by plugin and dotted key), what a running host was told.
    """

    def __init__(
        self,
        places: Places,
        environ: Mapping[str, str] | None = None,
        given: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._places = places
        self._environ = os.environ if environ is None else environ
        self._given = given or {}
        self._runtime: dict[str, dict[str, Any]] = {}

    def file(self, plugin: str, *, secret: bool = False) -> Path:
        """Return the file of a plugin's settings, or of its secrets; neither needs to exist."""
        folder = self._places.data / "secrets" if secret else self._places.config / "plugins"
        return folder / f"{plugin}.toml"

    def read(self, manifest: Manifest) -> PluginConfig:
        """Return the settings in force; raises ConfigError, with every problem, each with its place."""
        return self._assembled(manifest, self._layers(manifest))

    def told(self, plugin: str) -> Mapping[str, Any]:
        """Return what this host was told while it runs, by key."""
        return dict(self._runtime.get(plugin, {}))

    def tell(self, plugin: str, values: Mapping[str, Any]) -> None:
        """Replace what this host was told; the next `read` has it."""
        self._runtime[plugin] = dict(values)

    def set(self, manifest: Manifest, key: str, text: str, *, dry_run: bool = False) -> tuple[Any, Path]:
        """Write one setting, by its dotted key, into the user's file, or its secret; comments stay.

        Return the value and the file. Raises NotFound for what is no setting, ConfigError for a value that
        it can't have, StateError where the file can't be written; the file is then as it was.
        """
        which, secret = self.known(manifest, key)
        path, place = self.file(manifest.id, secret=secret), Place("command-line", key=key)
        try:
            value = from_text(which, text)
        except ValueError as error:
            raise ConfigError(
                f"`{key}` {error}", code="plugin-config-invalid", place=place, plugin=manifest.id
            ) from None
        whole = _nested(key, value)
        if faults := check_values(manifest.config, whole):
            problems = [Problem(f.code, f"`{dotted(f.path)}` {f.message}", place, f.hint) for f in faults]
            raise refused(manifest.id, problems)
        if not dry_run:
            self._write(path, key, value, secret)
        return value, path

    def unset(self, manifest: Manifest, key: str, *, dry_run: bool = False) -> tuple[bool, Path]:
        """Take one setting out of the user's file; return whether it was there, and the file."""
        secret = self.known(manifest, key)[1]
        path = self.file(manifest.id, secret=secret)
        values = self._content(path, manifest.id, secret=secret)[0]
        there = _reached(values, key)
        if there and not dry_run:
            self._write(path, key, None, secret)
        return there, path

    def files(self, plugin: str) -> list[Path]:
        """Return the files of a plugin's settings and secrets that are there."""
        return [path for path in (self.file(plugin), self.file(plugin, secret=True)) if os.path.lexists(path)]

    def forget(self, plugin: str) -> None:
        """Remove a plugin's settings and secrets; raises StateError where a file can't be removed."""
        for path in self.files(plugin):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StateError(
                    f"the settings of `{plugin}` can't be removed: {error.strerror or error}",
                    code="config-unwritable",
                    place=Place(str(path)),
                    plugin=plugin,
                ) from error

    def known(self, manifest: Manifest, key: str) -> tuple[ConfigField, bool]:
        """Return the setting of a dotted key, and whether it is a secret; raises NotFound."""
        which = field_at(manifest.config, key)
        if which is None:
            names = ", ".join(sorted(manifest.config))
            raise NotFound(
                f"`{manifest.id}` has no setting {key[:64]!r}",
                code="plugin-config-unknown-key",
                plugin=manifest.id,
                hint=f"it has: {names}" if names else "its manifest has no [config]",
            )
        return which, manifest.config[key.partition(".")[0]].secret

    # -- layers

    def _assembled(self, manifest: Manifest, layers: list[Layer]) -> PluginConfig:
        home = Place(str(self.file(manifest.id)))
        return assemble(manifest.id, manifest.config, layers, home=home)

    def _layers(self, manifest: Manifest) -> list[Layer]:
        problems: list[Problem] = []
        layers: list[Layer] = []
        if manifest.config:
            layers += self._from_file(manifest, problems, secret=False)
            layers += self._from_file(manifest, problems, secret=True)
        if problems:
            raise refused(manifest.id, problems)
        layers += self._texts(manifest)
        runtime = self._runtime.get(manifest.id)
        return [*layers, Layer(runtime, lambda _: Origin("runtime"))] if runtime else layers

    def _from_file(self, manifest: Manifest, problems: list[Problem], *, secret: bool) -> Iterator[Layer]:
        path = self.file(manifest.id, secret=secret)
        values, place_of = self._content(path, manifest.id, secret=secret)
        kept = {name for name, each in manifest.config.items() if each.secret}
        for name in values:
            if (name in kept) is not secret and name in manifest.config:
                where = "is a secret, which doesn't go here" if name in kept else "is no secret"
                hint = f"take it out; `devkit plugin config {manifest.id} set {name} -` puts it in its place"
                problems.append(
                    Problem("plugin-config-invalid", f"`{name}` {where}", place_of((name,)), hint)
                )
        if values:
            scope: Any = "secret" if secret else "file"
            yield Layer(values, lambda at: Origin(scope, place_of(at)))

    def _content(
        self, path: Path, plugin: str, *, secret: bool
    ) -> tuple[dict[str, Any], Callable[[tuple[str | int, ...]], Place]]:
        """Return a file's values, and where each stands: never with the line, which may hold a secret."""
        from devkit_core.model.locate import line_and_column, locate
        from devkit_core.model.parsing import read_toml

        try:
            data, facts = read_bounded(path, _LIMIT)
        except FileNotFoundError:
            return {}, lambda _: Place(str(path))
        except OSError as error:
            raise ConfigError(
                f"settings of `{plugin}` can't be read: {error.strerror or error}",
                code="plugin-config-unreadable",
                place=Place(str(path)),
                plugin=plugin,
            ) from None
        if secret and facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                f"others may read or change the secrets of `{plugin}`",
                code="plugin-config-exposed",
                place=Place(str(path)),
                hint=f"chmod 600 {path}",
                plugin=plugin,
            )
        try:
            document = read_toml(data, str(path))
        except ManifestError as error:
            at = error.place
            raise ConfigError(
                f"the settings of `{plugin}` can't be read: {error.message}",
                code="plugin-config-unreadable",
                place=at and Place(at.path, at.line, at.column),
                hint="mend the file by hand",
                plugin=plugin,
            ) from None

        def place_of(at: tuple[str | int, ...]) -> Place:
            spots = locate(document.text)
            while at and at not in spots:
                at = at[:-1]
            if not at:
                return Place(str(path))
            line, column = line_and_column(document.text, spots[at].key)
            return Place(str(path), line, column, dotted(at))

        return document.data, place_of

    def _texts(self, manifest: Manifest) -> list[Layer]:
        plugin = manifest.id
        layers: list[Layer] = []
        problems: list[Problem] = []

        def read(which: ConfigField, key: str, text: str, origin: Origin) -> None:
            try:
                value = from_text(which, text)
            except ValueError as error:
                place = Place(origin.variable or origin.scope, key=key)
                problems.append(Problem("plugin-config-invalid", f"`{key}` {error}", place))
            else:
                layers.append(Layer(_nested(key, value), lambda _: origin))

        for name, each in manifest.config.items():
            variable = plugin_variable(plugin, name)
            if (text := self._environ.get(variable)) is not None:
                read(each, name, text, Origin("environment", variable=variable))
        for key, text in self._given.get(plugin, {}).items():
            read(self.known(manifest, key)[0], key, text, Origin("command-line"))
        if problems:
            raise refused(plugin, problems)
        return layers

    # -- writing

    def _write(self, path: Path, key: str, value: Any, secret: bool) -> None:
        """Set a key, or with None take it out, in the file as it is by then."""
        import tomlkit
        from filelock import FileLock, Timeout
        from tomlkit.exceptions import TOMLKitError

        try:
            self._places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self._places.state / "config.lock", timeout=10):
                mode = 0o600
                try:
                    data, facts = read_bounded(path, _LIMIT)
                    document = tomlkit.parse(data.removeprefix(b"\xef\xbb\xbf").decode())
                    mode = 0o600 if secret else stat.S_IMODE(facts.st_mode)
                except FileNotFoundError:
                    document = tomlkit.document()
                _put(document, key.split("."), None if value is None else plain(value))
                replace_file(path, tomlkit.dumps(document).encode(), mode=mode, durable=True)
        except (TOMLKitError, UnicodeDecodeError, TypeError):
            # their texts may show a part of the file
            raise ConfigError(
                "the file doesn't parse, so nothing was changed",
                code="plugin-config-unreadable",
                place=Place(str(path)),
                hint="mend the file by hand",
            ) from None
        except (OSError, Timeout) as error:
            raise StateError(
                f"settings can't be written: {getattr(error, 'strerror', None) or error}",
                code="config-unwritable",
                place=Place(str(path)),
            ) from error


def given_texts(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `key=value` arguments as a mapping; raises UsageError."""
    found: dict[str, str] = {}
    for each in pairs:
        key, sign, text = each.partition("=")
        if not sign or not key:
            raise UsageError("--set takes KEY=VALUE", hint="as --set line_length=88")
        found[key] = text
    return found


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, *rest = key.split(".")
    for part in reversed(rest):
        value = {part: value}
    return {first: value}


def _reached(values: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _put(table: Any, parts: list[str], value: Any) -> None:
    first, *rest = parts
    if not rest:
        if value is None:
            table.pop(first, None)
        else:
            table[first] = value
        return
    if first not in table:
        if value is None:
            return
        table[first] = {}
    _put(table[first], rest, value)
    if value is None and not table[first]:
        del table[first]
