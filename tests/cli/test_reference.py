"""The reference pages say what the commands do."""

import importlib.util
import re
from pathlib import Path

import pytest

from devkit_core.cli.exit_codes import MEANINGS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = sorted((ROOT / "devkit_core" / "src" / "devkit_core" / "cli").rglob("*.py"))
ROWS = dict(
    re.findall(r"^\| `([a-z-]+/\d+)` \|[^|]*\| (.*) \|$", (REFERENCE / "json-output.md").read_text(), re.M)
)
COMMANDS = {
    "plugin-list/1": ("plugin", "list"),
    "plugin-info/1": ("plugin", "info", "one"),
    "plugin-search/1": ("plugin", "search"),
    "plugin-run/1": ("plugin", "run", "one"),
    "plugin-run-all/1": ("plugin", "run", "--all-with", "Testing"),
    "plugin-map/1": ("plugin", "map", "one", "plugins/one/plugin.py", "--raw", "--out", "results.jsonl"),
    "plugin-status/1": ("plugin", "status"),
    "plugin-check/1": ("plugin", "check", "plugins/one"),
    "plugin-choice/1": ("plugin", "enable", "one"),
    "plugin-reload/1": ("plugin", "reload", "one"),
    "plugin-unload/1": ("plugin", "unload", "one"),
    "plugin-stats/1": ("plugin", "stats", "one"),
    "plugin-logs/1": ("plugin", "logs", "one"),
    "stubs/1": ("stubs", "--out", "types"),
    "events/1": ("events",),
    "plugin-new/1": ("plugin", "new", "two"),
    "plugin-install/1": ("plugin", "install", "./plugins/one"),
    "plugin-uninstall/1": ("plugin", "uninstall", "three"),
    "plugin-update/1": ("plugin", "update", "three"),
    "plugin-outdated/1": ("plugin", "outdated", "three"),
    "plugin-rollback/1": ("plugin", "rollback", "three", "--to", "0.9.0"),
    "plugin-pin/1": ("plugin", "pin", "three"),
    "plugin-pack/1": ("plugin", "pack", "plugins/one"),
    "plugin-verify/1": ("plugin", "verify", "three"),
    "plugin-lock/1": ("plugin", "lock", "three"),
    "plugin-sync/1": ("plugin", "sync"),
    "plugin-permissions-diff/1": ("plugin", "permissions", "diff", "three"),
    "store-gc/1": ("store", "gc"),
    "store-verify/1": ("store", "verify"),
    "plugin-config/1": ("plugin", "config", "one"),
    "plugin-config-value/1": ("plugin", "config", "one", "get", "size"),
    "plugin-config-set/1": ("plugin", "config", "one", "set", "size", "3"),
    "plugin-config-unset/1": ("plugin", "config", "one", "unset", "size"),
    "plugin-permissions/1": ("plugin", "permissions", "show", "one"),
    "plugin-grant/1": ("plugin", "permissions", "grant", "one", "system:info"),
    "plugin-revoke/1": ("plugin", "permissions", "revoke", "one", "--all"),
    "loader-list/1": ("loader", "list"),
    "doctor/1": ("doctor",),
    "config/1": ("config", "show"),
    "config-value/1": ("config", "get", "max_plugins"),
    "config-set/1": ("config", "set", "max_plugins", "9"),
    "config-unset/1": ("config", "unset", "max_plugins"),
    "config-paths/1": ("config", "paths"),
    "error-codes/1": ("explain", "--list"),
    "error-page/1": ("explain", "usage"),
    "exit-codes/1": ("help", "exit-codes"),
}

STREAMS = {"event/1", "log-line/1", "plugin-dev/1", "plugin-map-result/1"}  # lines of --format jsonl


def test_the_command_reference_is_up_to_date():
    path = ROOT / "tools" / "generate_cli_reference.py"
    spec = importlib.util.spec_from_file_location("generate_cli_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (REFERENCE / "cli.md").read_text()
    assert written == module.page(), "run python tools/generate_cli_reference.py"


def test_the_exit_codes_are_those_of_the_table():
    page = (REFERENCE / "exit-codes.md").read_text()
    for code, meaning in MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in page


def test_every_schema_is_described():
    used = {name for path in SOURCES for name in re.findall(r'"([a-z-]+/\d+)"', path.read_text())}
    assert used == set(ROWS) == {*COMMANDS, *STREAMS, "error/1"}


@pytest.mark.parametrize("schema", COMMANDS)
def test_its_keys_are_those_described(project, data, schema):
    more = '[[capabilities]]\ncapability = "Testing"\n[permissions]\npermissions = ["system:info"]'
    if schema.startswith("plugin-config"):
        more += '\n[config.size]\ntype = "integer"\ndefault = 1'
    project.plugin("one", more=more)
    for folder, version in (("older", "0.9.0"), ("newer", "1.0.0")):
        made = project.plugin("three", parent=project.home / folder, version=version)
        data("plugin", "install", str(made), "--yes")
    data("plugin", "lock")
    found = data(*COMMANDS[schema])
    assert found.pop("schema") == schema
    described = set(re.findall(r"`([a-z0-9_]+)`", ROWS[schema]))
    assert set(found) <= described
    inner = next((value for value in found.values() if isinstance(value, list) and value), None)
    if inner is not None and isinstance(inner[0], dict) and schema != "plugin-run-all/1":
        assert set(inner[0]) <= described
