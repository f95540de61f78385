"""A source as it looked at a moment of the past: partitions appear when they are over.

Here: hiding what the clock has not reached. Not here: the rows, which are the source's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_assets.declaration import Source
from mlops_assets.partitions import Partitions
from mlops_assets.replay.clock import Clock

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SourceSoFar:
    """A source without the partitions that end after the clock."""

    source: Source
    windows: Partitions
    clock: Clock

    def partitions(self) -> list[str]:
        now = self.clock.now()
        if now is None:
            return []
        return [key for key in self.source.partitions() if self._end(key) <= now]

    def read(self, partition: str) -> pd.DataFrame:
        """The partition's rows.

        Raises:
            ValueError: by the replay's clock it is not over yet.
        """
        if partition not in self.partitions():
            raise ValueError(
                f"partition {partition!r} is not there yet: the replay's clock stands at "
                f"{self.clock.now()}"
            )
        return self.source.read(partition)

    def version(self, partition: str) -> str:
        return self.source.version(partition)

    def describe(self) -> str:
        return f"{self.source.describe().rstrip('.')}; replayed, up to the replay's clock"

    def _end(self, partition: str) -> pd.Timestamp:
        window = self.windows.window(partition)
        if window is None:
            raise ValueError(f"partition {partition!r} is no window of time: nothing to replay")
        return window[1]
