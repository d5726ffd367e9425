"""Which catalogues there are: those of the settings, and DevKit's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from devkit_marketplace.source import Catalogue

if TYPE_CHECKING:
    from devkit_core.api import Places, PluginSystemConfig
    from devkit_marketplace.index import Index

__all__ = ["catalogues"]

_RANK = 500


def catalogues(config: PluginSystemConfig, places: Places) -> list[Catalogue]:
    """Return the catalogues, nearest first: `registry`, `registry-2`, … and then `catalogue`.

    None is opened before it is asked something.
    """
    found = []
    for number, address in enumerate(config.registry_urls, 1):
        name = "registry" if number == 1 else f"registry-{number}"
        found.append(Catalogue(name, _RANK + number, _opener(address)))
    return [*found, Catalogue("catalogue", 2 * _RANK, _embedded(places))]


def _opener(address: str) -> Callable[[], Index]:
    def opened() -> Index:
        from devkit_marketplace.index import Index

        parts = urlsplit(address)
        if parts.scheme == "file":
            return Index(Path(unquote(parts.path)))

        from devkit_core.api import ConfigError, Place

        raise ConfigError(
            f"{address} is remote: signed remote registries are not supported yet, unsigned ones never",
            code="registry-unsupported",
            place=Place("registry_urls", key="registry_urls"),
            hint="Copy the catalogue to a folder, and name it: file:///srv/catalogue",
        )

    return opened


def _embedded(places: Places) -> Callable[[], Index]:
    def opened() -> Index:
        from devkit_marketplace.embedded import Embedded

        return Embedded(places).open()

    return opened
