"""Rows that share their causes: blocks, such as the day that a storm delays whole.

Belongs here: numbering blocks, and what intervals owe to their being few. Does not belong here: any
bootstrap over them (`compare`, `performance.intervals`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

LEAST_BLOCKS = 2
"""How much blocks differ cannot be told from one."""


def block_numbers(blocks: ArrayLike | None, rows: int) -> tuple[np.ndarray | None, int]:
    """(rows,) the number of each row's block, and how many blocks there are.

    Without blocks None and the number of rows: every row is its own. Raises ValueError for another
    number of rows, and for fewer than two blocks.

    >>> block_numbers(["mon", "tue", "mon"], 3)
    (array([0, 1, 0]), 2)
    """
    if blocks is None:
        return None, rows
    given = np.asarray(blocks)
    if given.shape != (rows,):
        raise ValueError(f"blocks of shape {given.shape} for {rows} rows: give one for each row")
    names, members = np.unique(given, return_inverse=True)
    if len(names) < LEAST_BLOCKS:
        raise ValueError(
            f"all {rows} rows are of one block ({', '.join(map(str, names))}): nothing can be "
            "drawn; compare over more time, or by shorter blocks"
        )
    return members, len(names)


def widened(blocks: int, confidence: float = 0.95) -> float:
    """What a percentile interval of so many blocks is stretched by: t(g-1)/z * sqrt(g/(g-1)).

    Source: Hesterberg, "What Teachers Should Know about the Bootstrap", The American Statistician
    2015, on the narrowness of percentile intervals of few draws.

    >>> round(widened(30), 2), round(widened(10), 2)
    (1.06, 1.22)
    """
    # Imported here: SciPy takes a while to import.
    from scipy.special import ndtri, stdtrit

    above = 1 - (1 - confidence) / 2
    return float(stdtrit(blocks - 1, above) / ndtri(above) * (blocks / (blocks - 1)) ** 0.5)
