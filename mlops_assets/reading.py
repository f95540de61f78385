"""Data assets by name, as they are or were: for notebooks, reports and whoever is curious.

Here: reading what the pipelines made, by the asset's name and at a chosen version. Not here: the
lake itself (`resources.lake`), anything that writes, and what only runs inside Dagster.

    from mlops_assets.reading import Assets

    assets = Assets.open()
    assets.history("flight_delays/features")
    assets.read("flight_delays/features", ["2013-01-01"], snapshot=8612360478193571112)
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mlops_assets.resources.lake.errors import LakeError
from mlops_assets.resources.lake.io_manager import table_of
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets.settings import Settings

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake


@dataclass(frozen=True)
class Assets:
    """The data assets of a lake: `open` finds that of the environment (``MLOPS_ENV``)."""

    lake: "Lake"

    @classmethod
    def open(cls, settings: Settings | None = None) -> "Assets":
        """The assets of a world, by default of the one that the environment names.

        Raises:
            SettingsError: a variable is wrong or missing.
        """
        return cls(open_lake((settings or Settings.load()).lake_catalog))

    def read(
        self,
        name: str,
        partitions: Sequence[str] | None = None,
        *,
        snapshot: int | None = None,
        at: dt.datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The rows of an asset, as they are or as they were.

        Args:
            name: as Dagster's UI shows it: ``flight_delays/features``.
            partitions: keys, in the order wanted; all, sorted, by default.
            snapshot: the version to read, such as a model package's ``features_snapshot``.
            at: the version that stood at this moment (with a time zone), instead of ``snapshot``.

        Raises:
            LakeError: there is no such asset, version, partition or column; it says what there is.
        """
        if at is not None:
            if snapshot is not None:
                raise LakeError(f"{name}: give snapshot or at, not both")
            snapshot = self.snapshot(name, at)
        return self.lake.read(_table(name), partitions, snapshot_id=snapshot, columns=columns)

    def partitions(self, name: str) -> list[str]:
        """The partitions that were materialized, empty ones too, sorted."""
        return self.lake.partitions(_table(name))

    def snapshot(self, name: str, at: dt.datetime | None = None) -> int:
        """The version that stands, or stood at a moment.

        Raises:
            LakeError: nothing was committed by then, or the moment has no time zone.
        """
        if at is not None and at.tzinfo is None:
            raise LakeError(f"{at} has no time zone: write datetime(…, tzinfo=UTC)")
        versions = self.lake.history(_table(name))
        standing = [v for v in versions if at is None or v.committed_at <= at]
        if not standing:
            first = versions[0].committed_at
            raise LakeError(
                f"{name}: nothing was committed by {at}; the first version is of {first}"
            )
        return standing[-1].snapshot_id

    def history(self, name: str) -> pd.DataFrame:
        """What was committed, oldest first: snapshot_id, committed_at, partition, rows, run_id."""
        return pd.DataFrame([vars(version) for version in self.lake.history(_table(name))])


def _table(name: str) -> str:
    return table_of(dg.AssetKey.from_user_string(name))
