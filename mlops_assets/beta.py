"""The Beta parameters of Dagster that this project allows itself, each by name and with a reason.

Dagster's Beta warnings are errors in our test run, so that nothing unsettled slips in. What only a
Beta parameter can do is listed here, and nowhere else.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dagster_shared.utils.warnings import BetaWarning

_ALLOWED = {
    # `dagster asset materialize --partition-range` runs only assets with a single-run policy.
    "Parameter `backfill_policy` ": "--partition-range",
    "Class `BackfillPolicy` ": "--partition-range",
    # The first partition has no partition before it to look back on, and is as valid as the rest.
    "Parameter `allow_nonexistent_upstream_partitions` ": "the first partition's look-back",
}


@contextmanager
def allowed_beta() -> Iterator[None]:
    """Silence the Beta warnings listed in this module, and only those."""
    with warnings.catch_warnings():
        for message in _ALLOWED:
            warnings.filterwarnings("ignore", message=message, category=BetaWarning)
        yield
