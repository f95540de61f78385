"""The lake as a Dagster resource.

Belongs here: opening the lake by configuration, once per process. Does not belong here: what the
lake does (core.py), storing assets (io_manager.py).
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake


class LakeResource(dg.ConfigurableResource):
    """The lake of a catalog, given by pyiceberg's properties (``type``, ``uri``, …)."""

    catalog: dict[str, str]

    def open(self) -> "Lake":
        """The lake; one per process and catalog, opened at first use."""
        return open_lake(self.catalog)


def open_lake(catalog: Mapping[str, str]) -> "Lake":
    """The process's lake for these catalog properties."""
    return _opened(os.getpid(), tuple(sorted(catalog.items())))


@lru_cache
def _opened(pid: int, catalog: tuple[tuple[str, str], ...]) -> "Lake":
    # By process: a forked child must not talk through its parent's database connections.
    from mlops_assets.resources.lake.core import Lake

    return Lake.open(dict(catalog))
