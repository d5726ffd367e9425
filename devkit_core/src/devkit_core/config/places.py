"""Where DevKit's own files are, and where the project is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devkit_core.config.environment import HOME, PLUGIN_PATH
from devkit_core.errors import ConfigError

__all__ = ["PROJECT_FILE", "Places"]

PROJECT_FILE = "devkit.toml"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that DevKit uses; none needs to exist, and making this object makes none.

    `cache` can be deleted at any time; `data` holds what is the user's own and can't be made again.
    `plugin_path` is DEVKIT_PLUGIN_PATH, taken apart.
    """

    config: Path
    data: Path
    state: Path
    cache: Path
    runtime: Path
    project: Path
    plugin_path: tuple[Path, ...] = ()

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Places:
        """Return the places of this user and of the project around `cwd` (default: the current folder).

        Raises ConfigError where the current folder no longer exists.
        """
        environ = os.environ if environ is None else environ
        here = _current_folder() if cwd is None else Path(os.path.abspath(cwd))
        listed = environ.get(PLUGIN_PATH, "").split(os.pathsep)
        path = tuple(
            Path(os.path.normpath(here / os.path.expanduser(each))) for each in listed if each.strip()
        )
        project = _project_root(here)
        home = environ.get(HOME, "").strip()
        if home:
            return cls.under(here / os.path.expanduser(home), project=project, plugin_path=path)
        return _of_user(environ, project, path)

    @classmethod
    def under(cls, home: Path, *, project: Path, plugin_path: tuple[Path, ...] = ()) -> Places:
        """Return places that are all below one folder, as DEVKIT_HOME does and tests want."""
        return cls(
            home / "config",
            home / "data",
            home / "state",
            home / "cache",
            home / "runtime",
            project,
            plugin_path,
        )

    @property
    def user_file(self) -> Path:
        """The user's settings."""
        return self.config / "config.toml"

    @property
    def project_file(self) -> Path:
        """The project's settings; whoever wrote the project wrote them."""
        return self.project / PROJECT_FILE

    def plugin_dir(self, configured: str | Path) -> Path:
        """Return the project's folder of plugins: `plugin_dir` as it was set, from the project's root."""
        return Path(os.path.normpath(self.project / configured))


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(
            "the current folder does not exist any more",
            code="cwd-missing",
            hint="Change to a folder that exists and run the command again.",
        ) from error


def _project_root(here: Path) -> Path:
    for folder in (here, *here.parents):
        if os.path.lexists(folder / PROJECT_FILE):
            return folder
    return here


def _of_user(environ: Mapping[str, str], project: Path, path: tuple[Path, ...]) -> Places:
    from platformdirs import PlatformDirs

    dirs = PlatformDirs("devkit", appauthor=False)
    state = Path(dirs.user_state_dir)
    # Without XDG_RUNTIME_DIR platformdirs falls back to a guessable folder in /tmp, which others may own.
    shared = sys.platform.startswith("linux") and not environ.get("XDG_RUNTIME_DIR")
    return Places(
        config=Path(dirs.user_config_dir),
        data=Path(dirs.user_data_dir),
        state=state,
        cache=Path(dirs.user_cache_dir),
        runtime=state / "run" if shared else Path(dirs.user_runtime_dir),
        project=project,
        plugin_path=path,
    )
