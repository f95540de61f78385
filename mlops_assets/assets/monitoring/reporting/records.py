"""What the page of health says in short.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from mlops_assets.assets.monitoring.records import Line, Record, Status


class HealthRecord(Record):
    """A pipeline's state of health in one line a part, and where its report lies.

    The whole is as bad as its worst part, and never healthy while a part is unknown.
    """

    pipeline: str
    at: str
    status: Status
    words: str
    parts: tuple[Line, ...]
    report_uri: str
