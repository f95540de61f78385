"""Records that are of their inputs as they are, though several runs make them at once.

Here: making one again where its inputs have changed while it was made. Not here: which inputs a
station reads, nor storing records (`resources.records`).

Two runs of one station and partition may overlap: answers arrive, then labels, then rows. The one
that began first has seen least; where it ends last, its record would stay, and nobody would ask
again for what the other run has seen.
"""

from collections.abc import Callable
from typing import TypeVar

Inputs = TypeVar("Inputs")
Made = TypeVar("Made")

_AT_MOST = 10


def of_current(inputs: Callable[[], Inputs], make: Callable[[Inputs], Made]) -> Made:
    """Make and save something; once more for as long as its inputs were others by then.

    Whoever saves last finds what it has read still to be there, or makes it anew: so what stays is
    of the inputs as they were when it was saved, or later. No lock is held, and none can be left.

    Args:
        inputs: versions of what is read, such as the lake's snapshots.
        make: reads, judges, and saves before it returns.

    >>> versions = iter([1, 2, 2])  # other rows come while the first are judged
    >>> of_current(lambda: next(versions), lambda version: f"of {version}")
    'of 2'
    """
    before = inputs()
    for _ in range(_AT_MOST):
        made = make(before)
        now = inputs()
        if now == before:
            break
        before = now
    return made  # inputs that change faster than that are somebody's run, which comes after this
