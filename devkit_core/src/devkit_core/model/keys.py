"""Rules, former names and refusals of single manifest keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from devkit_core.model import rules
from devkit_core.model.config_fields import ConfigField
from devkit_core.model.rules import Fault, Rule
from devkit_core.model.tables import (
    Dependency,
    Function,
    Limits,
    Metadata,
    PermissionTable,
    Python,
    Runtime,
    Security,
)

__all__ = ["FORMER_NAMES", "KEY_RULES", "RULES", "UNSUPPORTED"]

#: what the single values must be; a text without a rule is one line
RULES: Final[Mapping[tuple[type, str], Rule]] = {
    (Metadata, "id"): rules.plugin_id,
    (Metadata, "version"): rules.version,
    (Metadata, "entry_point"): rules.entry_point,
    (Metadata, "license"): rules.licence,
    (Metadata, "homepage"): rules.web_address,
    (Metadata, "repository"): rules.repository,
    (Metadata, "min_devkit_version"): rules.version,
    (Metadata, "max_devkit_version"): rules.version,
    (Dependency, "id"): rules.plugin_id,
    (Dependency, "version"): rules.requirement,
    (Python, "requires"): rules.package,
    (Runtime, "env"): rules.prose,
    (Function, "description"): rules.prose,
    (ConfigField, "type"): rules.config_type,
    (ConfigField, "description"): rules.prose,
    (ConfigField, "pattern"): rules.prose,
    (PermissionTable, "permissions"): rules.permission,
}
KEY_RULES: Final[Mapping[tuple[type, str], Rule]] = {(Runtime, "env"): rules.variable_name}

FORMER_NAMES: Final[Mapping[tuple[type, str], str]] = {
    (Limits, "max_file_descriptors"): "max_open_files",
    (Runtime, "runtime_type"): "type",
}

#: keys of the first DevKit that nothing here could obey, with what to do instead; a limit is never just
#: skipped, so those are errors
UNSUPPORTED: Final[Mapping[tuple[type, str], Fault]] = {
    (kind, name): Fault(message, hint, "manifest-unsupported", warning)
    for kind, name, message, hint, warning in (
        (Limits, "max_cpu_percent", "can't be enforced", "use `max_cpu_seconds`", False),
        (
            Limits,
            "max_network_connections",
            "can't be enforced",
            "take it out; name what it connects to, as `network:connect=example.org:443` in `permissions`",
            False,
        ),
        (
            Security,
            "allowed_paths",
            "is asked for as a permission",
            "write `filesystem:read=PATH` in `permissions`",
            False,
        ),
        (
            Security,
            "allowed_hosts",
            "is asked for as a permission",
            "write `network:connect=HOST:PORT` in `permissions`",
            False,
        ),
        (
            Security,
            "allowed_env_vars",
            "is asked for as a permission",
            "write `environment:read=NAME` in `permissions`",
            False,
        ),
        (Dependency, "source", "has no effect", "dependencies are looked for in every source", True),
    )
}
