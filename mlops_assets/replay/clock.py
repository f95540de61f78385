"""The replay's clock: one moment in a small file, which the daemon's processes read.

Here: reading it and moving it forward. Not here: what the passing of time brings (`source`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class Clock:
    """A moment kept in ``path``; before it was first set there is no time, and no data."""

    path: Path

    def now(self) -> pd.Timestamp | None:
        try:
            return pd.Timestamp(self.path.read_text().strip())
        except FileNotFoundError:
            return None

    def advance(self, to: pd.Timestamp) -> None:
        """Move to a later moment (UTC or of another zone).

        Raises:
            ValueError: it is earlier than now; what was seen cannot be unseen.
        """
        now = self.now()
        if now is not None and to < now:
            raise ValueError(f"the replay's clock stands at {now}: it cannot go back to {to}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_text(to.tz_convert("UTC").isoformat() + "\n")
        os.replace(beside, self.path)
