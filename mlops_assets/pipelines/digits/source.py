"""Rows of the digits pipeline: scikit-learn's images, in the order in which they were collected.

Belongs here: reading them, a partition for each 200. Does not belong here: judging rows
(schemas.py), typing and naming them (rows.py). Source: E. Alpaydin and C. Kaynak, "Optical
Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0), its test set
as `sklearn.datasets.load_digits` ships it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    import numpy as np

FIRST: Final = "1998-07-01"
IMAGES: Final = 1_797
A_DAY: Final = 200
*DAYS, END = pd.date_range(FIRST, periods=-(-IMAGES // A_DAY) + 1, freq="D").strftime("%Y-%m-%d")
"""The partitions, and the day after them. Images have an order and no dates: 200 count as a day."""
DIGITS: Final = tuple("0123456789")
PIXELS: Final = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))


@dataclass(frozen=True)
class Digits:
    """1,797 images in nine daily partitions."""

    def partitions(self) -> list[str]:
        """The days there are, oldest first."""
        return list(DAYS)

    def read(self, partition: str) -> pd.DataFrame:
        """One day's images: `image` (its place in the file), `scanned_at`, 64 pixels, `digit`.

        Raises ValueError for a partition that is not there.
        """
        days = self.partitions()
        if partition not in days:
            raise ValueError(
                f"digits have no partition {partition!r}: there are {days[0]} … {days[-1]}"
            )
        first = days.index(partition) * A_DAY
        images, digits = _loaded()
        rows = pd.DataFrame(images[first : first + A_DAY], columns=list(PIXELS))
        places = range(first, first + len(rows))
        # One every seven minutes: the day's images end before the day does.
        minutes = pd.to_timedelta([7 * (place - first) for place in places], unit="min")
        rows.insert(0, "image", [f"digit-{place:04d}" for place in places])
        rows.insert(1, "scanned_at", pd.Timestamp(partition, tz="UTC") + minutes)
        return rows.assign(digit=digits[first : first + A_DAY])

    def version(self, partition: str) -> str:
        """Digest of the images: they come with scikit-learn, and change with it if ever."""
        del partition  # one file holds all of them
        images, digits = _loaded()
        return hashlib.sha256(images.tobytes() + digits.tobytes()).hexdigest()[:16]

    def describe(self) -> str:
        """One sentence for a person who asks where the rows come from."""
        return (
            "scikit-learn's digits: 1,797 handwritten digits of 8 × 8 pixels (UCI, 1998), 200 a "
            "day in the order in which they were collected"
        )


@lru_cache(maxsize=1)
def _loaded() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    return images.astype("int64"), digits.astype("int64")
