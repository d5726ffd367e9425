"""Source: what a catalogue of plugins is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Source"]


class Source(ABC):
    """Somewhere plugins are found: a folder, a store, a marketplace's cache.

    `name` is what listings show and is unique among the sources; `rank` orders them: of two plugins with
    one id, the source with the lower rank wins (project 100, DEVKIT_PLUGIN_PATH 200, user 300, installed
    400, others 500).
    """

    name: str
    rank: int = 500

    @abstractmethod
    def folders(self) -> Iterable[Path]:
        """Return the plugin folders that this source has now; called by every discovery.

        A folder that can't be used is returned all the same: what is wrong with it is found, and shown,
        by the discovery. Raises nothing for an empty or missing place; an OSError is shown as the
        source's own failure and hides no other source.
        """
