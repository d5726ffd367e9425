"""Stops early, with the install command, where the members are not installed."""

import pytest

import devkit_core

# Without an install, `import devkit_core` at the root finds the folder of that name, an empty namespace.
if devkit_core.__file__ is None:
    pytest.exit("devkit_core is not installed; run: python3 -m pip install -r requirements-dev.txt", returncode=2)
