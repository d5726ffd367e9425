"""From an authority to the exact confinement of one worker."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from devkit_core.errors import PermissionDenied, Unconfined
from devkit_core.model.limits import Held
from devkit_core.model.permissions import refused_variable, within
from devkit_core.sandbox import runtimes
from devkit_core.sandbox.authority import Authority
from devkit_core.sandbox.landlock import READ, READ_EXECUTE, READ_WRITE, WRITE, Files, ruleset
from devkit_core.sandbox.probe import RIGHTS, Enforcement
from devkit_core.sandbox.runtimes import Runtime
from devkit_core.sandbox.seccomp import Filter, Needs, assemble

__all__ = ["Limits", "Plan", "Rules", "Runtime", "build", "homes", "variables"]

_MIB = 1 << 20
# Numbers of RLIMIT_*, the same on x86_64 and aarch64.
_CPU, _FSIZE, _CORE, _NPROC, _NOFILE, _MEMLOCK, _MSGQUEUE, _RTPRIO = 0, 1, 4, 6, 7, 8, 12, 14
#: further processes that an ordinary user may start before RLIMIT_NPROC stops a worker's threads
_NPROC_SLACK = 512
_NEVER = ("/proc", "/sys", "/dev")
_NEVER_IMPLIED = (*_NEVER, "/etc", "/run", "/var/run")
#: what `environment:read` without a name gives: how to write and whom to greet
_PLAIN_VARIABLES = (
    *("LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_TIME"),
    *("TZ", "TERM", "COLORTERM", "NO_COLOR", "USER"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one plugin may use; the memory counts from what an idle worker has already."""

    memory_mb: int = 256
    scratch_mb: int = 100
    threads: int = 64
    open_files: int = 64
    cpu_seconds: int | None = None
    call_seconds: float = 300.0
    scratch_files: int = 10_000
    output_kb: int = 256
    log_lines: int = 1_000
    payload_mb: int = 64

    @classmethod
    def of(cls, values: Iterable[Held]) -> Limits:
        """Return the limits with these values; what each means stands in `model.limits`."""
        return cls(**{each.limit.name: each.value for each in values})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Plan:
    """One worker's confinement, complete: the worker decides nothing.

    `rules` are (path, Landlock rights), paths resolved and without links. `notes` say in plain words
    what was given differently from what a reader of the grants may expect. `unenforced` are the rights
    that weren't granted and that nothing here enforces.
    """

    kind: str
    rules: tuple[tuple[str, Files], ...]
    landlock_abi: int
    filter: Filter | None
    rlimits: tuple[tuple[int, int], ...]
    memory_mb: int
    memory_base_mb: int | None
    environment: Mapping[str, str]
    network: bool
    spawn: bool
    limits: Limits
    notes: tuple[str, ...] = ()
    unenforced: tuple[str, ...] = ()

    def demand(self, plugin: str) -> None:
        """Raise Unconfined where a right that wasn't granted can't be enforced here.

        Called before a worker starts, unless the user allowed this plugin to run unconfined.
        """
        if self.unenforced:
            raise Unconfined(
                f"this machine can't hold {plugin} to its permissions: {', '.join(self.unenforced)}",
                hint="`devkit doctor` shows what is enforced here; --allow-unconfined runs it all the same",
                plugin=plugin,
            )

    def as_message(self) -> dict[str, Any]:
        """Return what the kernel is to enforce as JSON-ready data, which `child/confine.py` reads."""
        handled = ruleset(self.landlock_abi) if self.landlock_abi else None
        return {
            "version": 1,
            "landlock": handled
            and {
                "struct": [int(handled.files), handled.net, handled.scoped][: handled.struct_size // 8],
                "rules": [[path, int(rights) & int(handled.files)] for path, rights in self.rules],
            },
            "seccomp": self.filter
            and {
                "program": _encoded(self.filter.program),
                "own_pid": list(self.filter.own_pid),
            },
            "rlimits": [list(limit) for limit in self.rlimits],
            "memory": {
                "bytes": self.memory_mb * _MIB,
                "base": None if self.memory_base_mb is None else self.memory_base_mb * _MIB,
            },
        }


def build(
    authority: Authority,
    *,
    folder: Path,
    scratch: Path,
    cwd: Path,
    limits: Limits,
    runtime: Runtime,
    enforcement: Enforcement,
    environment: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Plan:
    """Return the confinement of one worker; called by loaders before they start it.

    `folder` and `scratch` exist; `cwd` is the user's working folder, which $CWD stands for.
    `environment` is what the manifest and the loader set, `environ` where `environment:read` finds
    values. Raises PermissionDenied `environment-refused` for a variable that would make other code run.
    """
    network = any(authority.has("network", action) for action in ("http", "https", "connect"))
    spawn = authority.has("process", "spawn")
    abi = enforcement.landlock_abi
    asks = any(authority.has("filesystem", action) for action in ("read", "write"))
    files = Rules(folder, scratch, cwd, homes(environ) if asks else ())
    files.add_runtime(runtime, network=network, spawn=spawn)
    files.add_grants(authority)
    notes = files.notes
    if spawn and 0 < abi < 6:
        notes.append("this kernel can't tell its own children from others, so it can't signal them")
    program = None
    if enforcement.seccomp:
        needs = Needs(
            spawn=spawn,
            execute=runtime.kind != "python",
            network=network,
            foreign_signals=spawn and abi >= 6,
        )
        program = assemble(needs, enforcement.machine)
    missing = set(enforcement.missing()) - ({"spawn"} if spawn else set())
    return Plan(
        kind=runtime.kind,
        rules=files.rules(),
        landlock_abi=abi,
        filter=program,
        rlimits=tuple(_rlimits(limits)),
        memory_mb=limits.memory_mb,
        memory_base_mb=runtime.memory_base_mb,
        environment=_environment(authority, scratch, environment or {}, environ),
        network=network,
        spawn=spawn,
        limits=limits,
        notes=tuple(notes),
        unenforced=tuple(right for right in RIGHTS if right in missing),
    )


@lru_cache(maxsize=16)
def _encoded(program: bytes) -> str:
    return base64.b64encode(program).decode("ascii")


@lru_cache(maxsize=64)
def _of_runtime(runtime: Runtime, network: bool, spawn: bool) -> tuple[tuple[str, Files], ...]:
    """Return what a runtime reads and executes, resolved once: it doesn't move while its host runs."""
    given = [(path, READ) for path in (*runtimes.system_files(), *map(str, runtime.read))]
    given.append(("/dev/null", READ | Files.WRITE_FILE))
    if network:
        given += [(path, READ) for path in runtimes.certificates()]
    if spawn:
        given += [(path, READ_EXECUTE) for path in runtimes.programs()]
    if spawn or runtime.kind != "python":
        given += [(path, READ_EXECUTE) for path in (*map(str, runtime.execute), *runtimes.linkers())]
    found: dict[str, Files] = {}
    for path, rights in given:
        real = os.path.realpath(path)
        found[real] = found.get(real, Files(0)) | rights
    return tuple(found.items())


class Rules:
    """Collects paths and rights; every path is resolved here and opened without links by the worker."""

    def __init__(self, folder: Path, scratch: Path, cwd: Path, homes: Iterable[str]) -> None:
        real = os.path.realpath
        self.roots = {"$PLUGIN": real(folder), "$CWD": real(cwd), "$SCRATCH": real(scratch)}
        self.homes = tuple(homes)
        self.notes: list[str] = []
        self._rights: dict[str, int] = {}

    def add(self, path: Path | str, rights: Files) -> None:
        """Give rights below a path, if it is there."""
        self._add_real(os.path.realpath(path), rights)

    def _add_real(self, real: str, rights: Files) -> None:
        if os.path.exists(real):
            self._rights[real] = self._rights.get(real, 0) | int(rights)

    def add_runtime(self, runtime: Runtime, *, network: bool, spawn: bool) -> None:
        """Give what needs no grant: the plugin's folder, its scratch and the runtime's files."""
        self._add_real(self.roots["$PLUGIN"], READ_EXECUTE if spawn else READ)
        self._add_real(self.roots["$SCRATCH"], READ_WRITE)
        for real, rights in _of_runtime(runtime, network, spawn):
            self._add_real(real, rights)

    def add_grants(self, authority: Authority) -> None:
        """Give what the granted rights to files and to facts of the machine mean here."""
        for action, rights in (("read", READ), ("write", WRITE)):
            for scope in authority.scopes("filesystem", action):
                self._grant("$CWD" if scope is None else scope, rights)  # $PLUGIN is readable anyway
        if authority.has("system", "info"):
            for path in map(Path, runtimes.system_info()):
                self.add(path, READ)

    def _grant(self, scope: str, rights: Files) -> None:
        name, _, rest = scope.partition("/")
        base = self.roots.get(name)
        path = os.path.realpath(scope if base is None else os.path.join(base, rest))
        verb = "read" if rights == READ else "write"
        if scope == "$CWD" and any(within(home, path) for home in self.homes):
            self.notes.append(
                f"{path} holds the home folder, so `filesystem:{verb}` doesn't give it: grant a path in it"
            )
        elif base is not None and not within(path, base):
            self.notes.append(f"{scope} leads out of {base} by a link, so it isn't given")
        elif any(within(path, never) for never in _NEVER):
            self.notes.append(f"{path} is never given")
        elif not os.path.exists(path):
            self.notes.append(f"{path} doesn't exist, so there is nothing to give")
        else:
            if rights == WRITE and within(self.roots["$PLUGIN"], path):
                self.notes.append(f"{path} holds the plugin's own folder: it may change its own files")
            for part in _parts(path):
                self.add(Path(part), rights)

    def rules(self) -> tuple[tuple[str, Files], ...]:
        """Return the rules, without those that a folder above already gives."""
        kept: dict[str, int] = {}
        for path in sorted(self._rights):
            above, at = 0, path
            while at:
                at = at.rpartition("/")[0]
                above |= kept.get(at or "/", 0)
            if self._rights[path] & ~above:
                kept[path] = self._rights[path]
        return tuple((path, Files(rights)) for path, rights in kept.items())


def _parts(path: str) -> Iterator[str]:
    """Yield a path, or what is below it without the folders that a wider grant never implies."""
    if any(within(never, path) and never != path for never in _NEVER_IMPLIED):
        for entry in sorted(os.listdir(path)):
            below = os.path.join(path, entry)
            if not os.path.islink(below) and below not in _NEVER_IMPLIED:
                yield from _parts(below)
    else:
        yield path


def homes(environ: Mapping[str, str]) -> set[str]:
    """Return the user's home folders, by the environment and by the system."""
    import pwd

    found = {environ.get("HOME", "")}
    with contextlib.suppress(KeyError):  # a user without an entry, as in containers
        found.add(pwd.getpwuid(os.getuid()).pw_dir)
    return {os.path.realpath(home) for home in found if home not in ("", "/")}


def _environment(
    authority: Authority, scratch: Path, own: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    found = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "TMPDIR": str(scratch), "LANG": "C.UTF-8"}
    if authority.has("process", "spawn"):
        found["GIT_CONFIG_NOSYSTEM"] = "1"  # git stops at a file of settings that it can't read
    return found | variables(authority, own, environ)


def variables(authority: Authority, own: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the manifest sets and those that were granted.

    Raises PermissionDenied `environment-refused` for one that would make other code run.
    """
    found = {}
    for name, value in own.items():
        if refused_variable(name) or "=" in name or "\0" in name + value or not name:
            raise PermissionDenied(
                f"[runtime] env sets {name!r}, which a plugin may not",
                code="environment-refused",
                hint="remove it; variables that make a program load other code are never passed on",
            )
        found[name] = value
    for scope in authority.scopes("environment", "read"):
        for name in _PLAIN_VARIABLES if scope is None else (scope,):
            if name in environ:
                found[name] = environ[name]
    return found


def _rlimits(limits: Limits) -> Iterator[tuple[int, int]]:
    yield from ((_CORE, 0), (_MEMLOCK, 0), (_MSGQUEUE, 0), (_RTPRIO, 0))
    yield _NOFILE, limits.open_files
    yield _FSIZE, limits.scratch_mb * _MIB
    if limits.cpu_seconds is not None:
        yield _CPU, limits.cpu_seconds
    if os.getuid() != 0:  # it counts all of a user's threads, and never binds root
        yield _NPROC, _threads_of_user(os.getuid()) + limits.threads + _NPROC_SLACK


def _threads_of_user(uid: int) -> int:
    count = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if entry.stat().st_uid == uid:
                count += os.stat(f"/proc/{entry.name}/task").st_nlink - 2
        except OSError:  # it has ended meanwhile
            continue
    return count
