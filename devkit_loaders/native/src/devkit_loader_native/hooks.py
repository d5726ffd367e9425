"""What this distribution tells DevKit; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from devkit_core.api import hookimpl

if TYPE_CHECKING:
    from devkit_core.api import Check, Loader


@hookimpl
def devkit_register_loaders() -> Sequence[Loader]:
    from devkit_loader_native.loader import NativeLoader

    return [NativeLoader()]


@hookimpl
def devkit_register_checks() -> Sequence[Check]:
    from devkit_loader_native.loader import checks

    return checks()
