"""What `devkit doctor` says of Python."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence

from devkit_core.api import Check, Finding, Places

__all__ = ["checks"]


def checks() -> Sequence[Check]:
    """Return the check of the interpreter, of what fetches packages, and of the packages that are there."""

    def python() -> Sequence[Finding]:
        where = f"Python {platform.python_version()} at {sys.executable}"
        return [Finding("python", "ok", where), *_packages()]

    return [Check("python", python)]


def _packages() -> Iterator[Finding]:
    from devkit_loader_python.environments import Environments
    from devkit_loader_python.installers import find

    tool = find()
    if tool is None:
        hint = "python3 -m pip install uv"
        yield Finding(
            "installer", "warning", "neither uv nor pip: plugins that need packages won't load", hint
        )
    else:
        yield Finding("installer", "ok", f"{tool.version()}, run as `{' '.join(tool.command)}`")
    folder = Places.find().cache / "python"
    whole = size = 0
    for made, record in Environments(folder).all():
        if record is None:
            yield Finding(made.folder.name, "warning", "damaged; made again when it is next used")
        else:
            whole, size = whole + 1, size + int(record.get("bytes", 0))
    yield Finding(
        "packages", "ok", f"{whole} {'set' if whole == 1 else 'sets'}, {size / (1 << 20):.1f} MiB in {folder}"
    )
