"""What this distribution tells DevKit; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from devkit_core.api import hookimpl

if TYPE_CHECKING:
    from devkit_core.api import Check, Loader


@hookimpl
def devkit_register_loaders() -> Sequence[Loader]:
    from devkit_loader_node.loader import NodeLoader

    return [NodeLoader()]


@hookimpl
def devkit_register_runtimes() -> Mapping[str, str]:
    from devkit_loader_node.runtime import version_here

    version = version_here()
    return {"node-runtime": version} if version else {}


@hookimpl
def devkit_register_checks() -> Sequence[Check]:
    from devkit_loader_node.doctor import checks

    return checks()
