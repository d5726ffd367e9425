"""The two manifests of the plugin system's document, letter by letter."""

import pytest

SEED = """\
[metadata]
id = "my-plugin"
name = "My Awesome Plugin"
version = "1.0.0"
description = "A plugin that does amazing things"
author = "Your Name"
entry_point = "plugin.py"
created_at = "2024-01-01T00:00:00Z"
updated_at = "2024-01-01T00:00:00Z"

[[dependencies]]
id = "python-runtime"
version = ">=3.8"
optional = false

[[capabilities]]
capability = "CodeAnalysis"

[permissions]
permissions = ["filesystem:read", "network:http"]
"""
SEED_HEREDOC = """\
[metadata]
id = "my-plugin"
name = "My Plugin"
version = "1.0.0"
description = "My custom plugin"
author = "Me"
entry_point = "plugin.py"
created_at = "2024-01-01T00:00:00Z"
updated_at = "2024-01-01T00:00:00Z"

[[capabilities]]
capability = "Custom"
"""


@pytest.fixture(scope="session")
def seed_manifests() -> tuple[str, str]:
    return SEED, SEED_HEREDOC
