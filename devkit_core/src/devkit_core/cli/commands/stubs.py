"""devkit stubs: types of plugins' functions for type checkers and editors."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import click

from devkit_core.cli.grammar import command, dry_run, pass_session
from devkit_core.cli.output import Table, View
from devkit_core.cli.plugin_ids import complete_plugin
from devkit_core.cli.session import Session
from devkit_core.errors import Place, StateError
from devkit_core.model.manifest import Manifest
from devkit_core.model.python_types import plugin_module, stub

__all__ = ["stubs"]

_PACKAGE = "devkit_core-stubs"
_MARK = "# Written by `devkit stubs`"
_INDEX = f"""\
{_MARK}: not by hand.
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any

from devkit_core.manager import PluginManager

def bind(manager: PluginManager) -> AbstractContextManager[None]: ...

class Plugin:
    def __init__(self, plugin: str, manager: PluginManager | None = ...) -> None: ...
    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]: ...

def __getattr__(name: str) -> Plugin: ...
"""


@command(
    "stubs",
    examples=("devkit stubs", "devkit stubs markdown-html --dry-run", "devkit stubs --out typings"),
)
@click.argument("plugins", nargs=-1, metavar="[ID…]", shell_complete=complete_plugin)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write there, not into this Python environment.",
)
@dry_run
@pass_session
def stubs(session: Session, plugins: tuple[str, ...], out: Path | None, dry_run: bool) -> None:
    """Write what plugins' functions take and give as Python types, for `from devkit_core.plugins import …`.

    Without ID it is done for all plugins, and stubs of those that are gone are taken away. They are a package
    `devkit_core-stubs` in this Python environment, where type checkers look for it; with --out, in DIR.
    """
    chosen = [session.usable(plugin)[1] for plugin in dict.fromkeys(plugins)] or [
        found.manifest
        for found in session.plugins
        if found.manifest is not None and found.error is None and found.shadowed_by is None
    ]
    named = {manifest.id: manifest for manifest in chosen if _importable(manifest.id)}
    for manifest in chosen:
        if manifest.id not in named:
            session.output.warn(
                f"`{manifest.id}` is no name in Python", hint=f'write `plugins.Plugin("{manifest.id}")`'
            )
    top = (out if out is not None else Path(sysconfig.get_path("purelib"))) / _PACKAGE
    folder = top / "plugins"
    paths = {plugin: folder / f"{plugin_module(plugin)}.pyi" for plugin in named}
    if not dry_run:
        try:
            _write(top, folder, [(paths[plugin], named[plugin]) for plugin in named], whole=not plugins)
        except OSError as error:
            raise StateError(
                f"the stubs can't be written: {error.strerror or error}",
                code="stubs-unwritable",
                place=Place(str(error.filename or folder)),
                hint="name a folder that you may write to: --out DIR",
            ) from error
    rows = [{"id": plugin, "path": str(path)} for plugin, path in paths.items()]
    data = {"folder": str(top), "stubs": rows, "dry_run": dry_run}
    session.output.data("stubs/1", data, lambda: _view(rows))
    done, some = "would write" if dry_run else "wrote", "stub" if len(rows) == 1 else "stubs"
    session.output.say(f"{done} {len(rows)} {some} to {top}")


def _importable(plugin: str) -> bool:
    name = plugin_module(plugin)
    return name.isidentifier() and name not in ("bind",)


def _write(top: Path, folder: Path, stubs: list[tuple[Path, Manifest]], *, whole: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (top / "py.typed").write_text("partial\n")
    for path, manifest in stubs:
        path.write_text(stub(manifest), encoding="utf-8")
    written = {path for path, _ in stubs}
    for path in folder.glob("*.pyi") if whole else ():
        if path not in written and path.read_text(encoding="utf-8").startswith(_MARK):
            path.unlink()
    names = sorted(path.stem for path in folder.glob("*.pyi") if path.stem != "__init__")
    imports = "".join(f"from . import {name} as {name}\n" for name in names)
    (folder / "__init__.pyi").write_text(_INDEX + imports, encoding="utf-8")


def _view(rows: list[dict[str, str]]) -> View:
    yield Table(("plugin", "stub"), [(row["id"], row["path"]) for row in rows])
