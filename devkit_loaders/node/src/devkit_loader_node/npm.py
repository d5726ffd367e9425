"""Runs npm into folders of ours, with all scripts off."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from devkit_core.api import LoadError
from devkit_loader_node.runtime import INSTALL, Node

__all__ = ["install"]

_SECONDS = 180.0
_OPTIONS = (
    "--ignore-scripts",
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--loglevel=error",
    "--install-strategy=hoisted",
    "--bin-links=false",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=2000",
    "--fetch-timeout=15000",
)


async def install(node: Node, files: Mapping[str, bytes], target: Path, *, code: str, hint: str) -> None:
    """Make `target` with the packages that `files`, a package.json and its lock, name.

    The folder appears whole or not at all; one that is there is left. Raises LoadError `code`.
    """
    npm = node.npm
    if npm is None:
        raise LoadError(f"npm is missing beside {node.path}", code=code, hint=INSTALL)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    except OSError as error:
        raise LoadError(f"{target.parent} can't be written: {error.strerror}", code=code) from error
    try:
        for name, data in files.items():
            (made / name).write_bytes(data)
        command = "ci" if "package-lock.json" in files else "install"
        status, output = await _run([*npm, command, *_OPTIONS], made, node)
        if status != 0:
            raise LoadError(f"npm {command} failed: {_reason(output)}", code=code, hint=hint)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first
                raise
    except OSError as error:  # a time-out too
        reason = error.strerror or f"it took over {_SECONDS:g} s"
        raise LoadError(f"npm can't be run: {reason}", code=code, hint=hint) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


async def _run(command: list[str], folder: Path, node: Node) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if k != "NODE_OPTIONS"}
    environment["PATH"] = f"{node.path.parent}{os.pathsep}{environment.get('PATH', '/usr/bin:/bin')}"
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, output.decode("utf-8", "replace")


def _reason(output: str) -> str:
    lines = [line.removeprefix("npm error ").strip() for line in output.splitlines()]
    told = [line for line in lines if line and not line.startswith(("npm warn", "A complete log", "code "))]
    return told[0] if told else "it gave no reason"
