"""What this distribution tells DevKit; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from devkit_core.api import hookimpl

if TYPE_CHECKING:
    from devkit_core.api import Check, Loader


@hookimpl
def devkit_register_loaders() -> Sequence[Loader]:
    from devkit_loader_python.loader import PythonLoader

    return [PythonLoader()]


@hookimpl
def devkit_register_runtimes() -> Mapping[str, str]:
    import platform

    return {"python-runtime": platform.python_version()}


@hookimpl
def devkit_register_checks() -> Sequence[Check]:
    from devkit_loader_python.doctor import checks

    return checks()
