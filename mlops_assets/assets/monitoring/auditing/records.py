"""What an audit of a partition found, for the audits of others to be read together with.

Here: the fields. Not here: reading several as one (`evidence`). How records are stored is
`resources.records`.
"""

from mlops_assets.assets.monitoring.records import Interval, Record


class Figure(Interval):
    """A figure of so many rows, with its 95 % interval."""

    rows: int


class AuditRecord(Record):
    """What was measured on the held-out rows of a partition, of the model that never saw them.

    ``features``: {name: worth of the group that it is shuffled in}, in ``metric``; ``slices``:
    {``column = value``: gain over the slice's own mean}.
    """

    partition: str
    artifact_digest: str
    metric: str
    features: dict[str, Figure]
    slices: dict[str, Figure]
