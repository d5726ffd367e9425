"""Files that every runtime reads, and the Python runtime's own."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import devkit_core

__all__ = ["Runtime", "certificates", "linkers", "programs", "python_runtime", "system_files", "system_info"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs a plugin, as far as confinement is concerned.

    `kind` is `python` for a worker that confines itself and goes on, `exec` for a launcher that confines
    itself and is then replaced by one of `execute`. Under `python`, `execute` counts only for a plugin
    with `process:spawn`. `memory_base_mb` is what an idle runtime has mapped; None: measured by the worker.
    """

    kind: str
    read: tuple[Path, ...] = ()
    execute: tuple[Path, ...] = ()
    memory_base_mb: int | None = None


@cache
def python_runtime() -> Runtime:
    """Return the runtime of workers forked from this interpreter, site-packages of a venv not among it."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = Path(sys.base_exec_prefix, sys.platlibdir)
    base = Path(os.__file__).parent
    read = [
        base,
        library / version,
        library / version.replace(".", "").join(("", ".zip")),
        *map(Path, glob.glob(f"{glob.escape(str(library))}/libpython*.so*")),
        Path(devkit_core.__file__).parent / "child",
        *_venv(),
    ]
    # resolved once: a runtime doesn't move while its host runs
    real = dict.fromkeys(Path(os.path.realpath(path)) for path in read)
    return Runtime("python", tuple(real), (Path(os.path.realpath(sys.executable)),))


def _venv() -> Iterator[Path]:
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix, "pyvenv.cfg")


@cache
def system_files() -> tuple[str, ...]:
    """Return what every program reads, resolved: shared libraries, time zones, locales, a few settings."""
    return tuple(dict.fromkeys(map(os.path.realpath, (*_libraries(), *_SETTINGS))))


_SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    "/usr/share/locale",
    # `mimetypes` and OpenSSL fail on a file of theirs that is there and can't be read.
    "/etc/mime.types",
    "/etc/apache2/mime.types",
    "/etc/httpd/mime.types",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/openssl.cnf",
    "/usr/lib/ssl/openssl.cnf",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/dev/null",
)


def _libraries() -> Iterator[str]:
    multiarch = glob.glob("/usr/lib/*-linux-gnu*") + glob.glob("/lib/*-linux-gnu*")
    yield from multiarch or ("/usr/lib", "/lib")
    yield from ("/lib64", "/usr/lib64")


@cache
def linkers() -> tuple[str, ...]:
    """Return the dynamic linkers, resolved, which the kernel executes along with a program."""
    patterns = ("/lib*/ld-linux*.so.*", "/lib/*/ld-linux*.so.*", "/lib/ld-musl-*.so.*")
    return tuple({os.path.realpath(path): None for pattern in patterns for path in glob.glob(pattern)})


def certificates() -> Iterator[str]:
    """Yield where certificates of authorities are, never a folder that may hold private keys."""
    import ssl

    paths = ssl.get_default_verify_paths()
    yield from filter(None, (paths.openssl_cafile, paths.openssl_capath))
    yield from (
        "/etc/ssl/certs",
        "/etc/ssl/cert.pem",
        "/etc/pki/tls/certs",
        "/etc/pki/ca-trust/extracted",
        "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
    )


def programs() -> Iterator[str]:
    """Yield where the system's programs and what they read are, for `process:spawn`."""
    yield from ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/local/bin")
    yield from ("/lib", "/lib64", "/usr/lib64", "/usr/local/lib", "/usr/share", "/usr/include")


def system_info() -> Iterator[str]:
    """Yield what `system:info` shows: facts of the machine, none of its processes."""
    yield from (f"/proc/{name}" for name in ("cpuinfo", "meminfo", "loadavg", "uptime", "version", "stat"))
    yield from ("/sys/devices/system/cpu", "/etc/os-release", "/usr/lib/os-release", "/etc/debian_version")
