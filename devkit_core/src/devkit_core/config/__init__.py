"""Settings and places: what a user may set, and where files are. Imports errors only.

Enter by `sources.load`; `schema.PluginSystemConfig` is the result, `places.Places` the folders.
"""
