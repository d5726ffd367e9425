"""Fetches one commit of a git repository; runs nothing of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from devkit_core.catalog.extract import write_all
from devkit_core.catalog.names import BOUNDS, Bounds
from devkit_core.catalog.tarball import read_tar
from devkit_core.errors import NetworkError

__all__ = ["checkout"]

_SECONDS = 600.0
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    "http.followRedirects=initial",
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=30",
    "submodule.recurse=false",
    "transfer.fsckObjects=true",
)
_PASSED_ON = ("PATH", "SSH_AUTH_SOCK", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE")


def checkout(address: str, revision: str, staging: Path, *, bounds: Bounds = BOUNDS) -> tuple[Path, str]:
    """Return a folder in `staging` with the files of a commit, and the commit's name.

    `address` and `revision` are those of a Wish, so neither can be taken for an option. The git command is
    asked for a tar of the commit, which is read as any archive is: no working tree, no hook, no filter,
    no submodule; settings of the system and the user don't count. Raises NetworkError, ArchiveRefused.
    """
    program = shutil.which("git")
    if program is None:
        raise NetworkError(
            "the git command is not installed", code="git-missing", hint="Install git, or give an archive."
        )
    repository = staging / "repository.git"
    home = staging / "home"
    home.mkdir()
    git = _Git(program, repository, home, bounds)
    git.run("init", "--quiet", "--bare", "--template=", "--", str(repository), where=home)
    git.run(
        *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"),
        *("--no-write-fetch-head", "--end-of-options", address, f"{revision or 'HEAD'}:refs/devkit"),
    )
    commit = git.run("rev-parse", "--verify", "--quiet", "refs/devkit^{commit}").strip()
    folder = staging / "commit"
    folder.mkdir()
    git.unpack(folder, bounds)
    shutil.rmtree(repository, ignore_errors=True)
    return folder, commit


class _Git:
    def __init__(self, program: str, repository: Path, home: Path, bounds: Bounds) -> None:
        self._repository = repository
        settings = [word for each in _SETTINGS for word in ("-c", each)]
        # The limit of a file's size is the bound on what is fetched: a fetch is one pack. In KiB.
        limit = f'ulimit -f {2 * bounds.archive >> 10}; exec "$0" "$@"'
        shell = shutil.which("bash") or "/bin/sh"
        if not shell.endswith("bash"):  # POSIX counts in blocks of 512 bytes
            limit = f'ulimit -f {2 * bounds.archive >> 9}; exec "$0" "$@"'
        self._command = [shell, "-c", limit, program, *settings]
        self._environment = {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:https:ssh",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }

    def run(self, *words: str, where: Path | None = None) -> str:
        """Run git in the repository and return what it printed."""
        try:
            done = subprocess.run(
                [*self._command, *words],
                cwd=where or self._repository,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NetworkError(f"git took more than {_SECONDS:g} s", code="git-failed") from None
        if done.returncode:
            raise _failed(words[0], done.stderr)
        return done.stdout.decode("utf-8", "replace")

    def unpack(self, folder: Path, bounds: Bounds) -> None:
        """Write the commit's files into a folder."""
        with subprocess.Popen(
            [*self._command, "archive", "--format=tar", "refs/devkit"],
            cwd=self._repository,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            try:
                write_all(read_tar(process.stdout.read, bounds), folder, bounds)
            finally:
                process.kill()


def _failed(what: str, stderr: bytes) -> NetworkError:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    said = "; ".join(lines[-3:])[:500] or "it said nothing"
    return NetworkError(
        f"git {what} failed: {said}",
        code="git-failed",
        hint="Check the address and the revision; a private repository needs an ssh agent.",
    )
