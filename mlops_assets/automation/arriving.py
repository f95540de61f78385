"""In which order partitions come in: no features before the rows that they look back on. Pure.

The rows of all come in at once; the features of each are made when those before it have theirs.
Here: what a partition's next run is. Not here: asking for it (`new_data`), nor making features anew
where the rows before them have changed (`looking_back`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mlops_assets.automation.asking import RunState

Step = Literal["all", "rows", "features"]
"""From raw rows to what is known of the features; up to clean rows; from features on."""


@dataclass(frozen=True)
class Arrival:
    """How far a version of a partition has come.

    Args:
        rows: the run that brings its rows alone, where its features had to wait.
        rest: the run that makes its features, and brings its rows where no other did.
    """

    rows: RunState = "none"
    rest: RunState = "none"

    @property
    def rows_to_come(self) -> bool:
        """Whether rows of this version are wanted or under way. A run that failed brings none:
        nobody waits for it, and the check of the features that look back on it says so."""
        if self.rows in ("succeeded", "failed"):
            return False
        return self.rows == "under way" or self.rest in ("none", "under way")


def next_step(arrival: Arrival, before: Iterable[Arrival]) -> Step | None:
    """What to run of a partition now; None: nothing more, or it waits.

    Args:
        before: the partitions of its look-back that the source has.

    >>> next_step(Arrival(), [Arrival(rest="succeeded")]), next_step(Arrival(), [Arrival()])
    ('all', 'rows')
    >>> next_step(Arrival(rows="succeeded"), [Arrival(rest="under way")])
    >>> next_step(Arrival(rows="succeeded"), [Arrival(rows="failed")])
    'features'
    """
    if arrival.rest != "none" or arrival.rows in ("under way", "failed"):
        return None
    if any(other.rows_to_come for other in before):
        return "rows" if arrival.rows == "none" else None
    # Of rows whose run is forgotten nobody knows whether their checks held: they come again.
    return "features" if arrival.rows == "succeeded" else "all"
