"""What a listing shows of a plugin, whatever state it is in."""

from devkit_core.model.types import PluginHealth, PluginStatus


async def test_states(pocket):
    for plugin in ("idle", "loaded", "bad", "off"):
        pocket.write(plugin, **({"fail": "yes"} if plugin == "bad" else {}))
    (pocket.write("broken") / "plugin.toml").write_text("[metadata\n")
    manager = pocket.manager
    await manager.disable("off")
    await manager.load("loaded")
    await manager.scan_and_load_plugins()
    await manager.unload("idle")
    shown = {info.id: info for info in manager.list_all()}
    assert {plugin: info.status for plugin, info in shown.items()} == {
        "idle": PluginStatus.STOPPED,
        "loaded": PluginStatus.ACTIVE,
        "bad": PluginStatus.ERROR,
        "off": PluginStatus.DISABLED,
        "broken": PluginStatus.ERROR,
    }
    assert (shown["loaded"].kind, shown["loaded"].health) == ("pocket", PluginHealth.HEALTHY)
    assert (shown["bad"].error_code, shown["bad"].error) == ("load-failed", "told to fail")
    assert shown["broken"].error_code.startswith("manifest-")
    assert not shown["off"].enabled
    assert shown["loaded"].load_seconds >= 0
    assert shown["broken"].version == ""
