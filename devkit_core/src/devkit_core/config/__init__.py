"""Settings and places. Imports errors only.

Enter by `sources.load` and `places.Places`.

Enter by `sources.load`; `schema.PluginSystemConfig` is the result, `places.Places` the folders.
"""
