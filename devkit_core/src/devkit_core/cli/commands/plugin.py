"""devkit plugin: the group of commands, each imported when used."""

from __future__ import annotations

from devkit_core.cli.grammar import Child, Group

__all__ = ["plugin"]

_HERE = "devkit_core.cli.commands"
_CHILDREN = {
    "list": Child(f"{_HERE}.plugin_list:list_", "Show the plugins there are."),
    "search": Child(f"{_HERE}.plugin_search:search", "Search the plugins that can be installed."),
    "info": Child(f"{_HERE}.plugin_info:info", "Show everything about one plugin."),
    "run": Child(f"{_HERE}.plugin_run:run", "Run a plugin and print what it returned."),
    "map": Child(f"{_HERE}.plugin_map:map_", "Run a plugin once for every line of a file."),
    "status": Child(f"{_HERE}.plugin_status:status", "Show loaders, states, confinement and what is wrong."),
    "check": Child(f"{_HERE}.plugin_check:check_", "Check a plugin's folder without running it."),
    "enable": Child(f"{_HERE}.plugin_choice:enable", "Let a plugin be loaded again."),
    "disable": Child(f"{_HERE}.plugin_choice:disable", "Keep a plugin from being loaded."),
    "reload": Child(
        f"{_HERE}.plugin_live:reload", "Swap a plugin in every running host for a fresh instance."
    ),
    "unload": Child(f"{_HERE}.plugin_live:unload", "Take a plugin out of every running host."),
    "stats": Child(f"{_HERE}.plugin_stats:stats", "Show calls, times, errors and memory in running hosts."),
    "logs": Child(f"{_HERE}.plugin_logs:logs", "Show what a plugin printed."),
    "dev": Child(f"{_HERE}.plugin_dev:dev", "Reload a plugin as you write it, and run its samples."),
    "new": Child(f"{_HERE}.plugin_new:new", "Scaffold a plugin that loads as it stands."),
    "install": Child(
        f"{_HERE}.plugin_install:install", "Install plugins from folders, archives, addresses, sources."
    ),
    "uninstall": Child(f"{_HERE}.plugin_install:uninstall", "Take installed plugins away."),
    "remove": Child(f"{_HERE}.plugin_install:uninstall", "The same as uninstall."),
    "rm": Child(f"{_HERE}.plugin_install:uninstall", "The same as uninstall."),
    "update": Child(f"{_HERE}.plugin_update:update", "Bring installed plugins to their newest versions."),
    "outdated": Child(f"{_HERE}.plugin_update:outdated", "Show which installed plugins have newer versions."),
    "rollback": Child(f"{_HERE}.plugin_update:rollback", "Go back to a former version."),
    "pin": Child(f"{_HERE}.plugin_update:pin", "Keep a plugin at its version."),
    "unpin": Child(f"{_HERE}.plugin_update:unpin", "Let updates of a plugin come again."),
    "pack": Child(f"{_HERE}.plugin_package:pack", "Make a package of a plugin's folder."),
    "verify": Child(f"{_HERE}.plugin_package:verify", "Check a package or an installed plugin."),
    "lock": Child(f"{_HERE}.plugin_package:lock", "Write what is installed to the project's devkit.lock."),
    "sync": Child(f"{_HERE}.plugin_package:sync", "Install exactly what the project's devkit.lock says."),
    "config": Child(f"{_HERE}.plugin_config:config", "Show and change a plugin's own settings."),
    "permissions": Child(f"{_HERE}.plugin_permissions:permissions", "Show, grant and revoke permissions."),
}


plugin = Group(
    name="plugin",
    help="Find, run, check and manage plugins.",
    children=_CHILDREN,
    joins="plugin",
    examples=(
        "devkit plugin list",
        'devkit plugin run test-plugin "hello world"',
        "devkit plugin info test-plugin --format json",
    ),
)
