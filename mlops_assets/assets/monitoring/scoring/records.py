"""The lines of the ML Test Score, and the proofs that people leave.

Here: the fields and nothing else. How records are stored is `resources.records`.
"""

from typing import Literal

from pydantic import Field

from mlops_assets.assets.monitoring.records import Record


class ProofRecord(Record):
    """What was shown outside of the asset graph: by a command, by CI, or by a person's word.

    ``by_hand``: somebody did it and says where it is written. ``subject``: what it was shown of,
    such as a model package's ARN or a commit.
    """

    name: str
    at: str
    by: str
    passed: bool
    words: str
    by_hand: bool = False
    subject: str = ""
    figures: dict[str, float] = Field(default_factory=dict)


Section = Literal["Data", "Model", "Infrastructure", "Monitoring"]


LineState = Literal["automatic", "by hand", "missing", "stale", "failing"]


class ScoreLine(Record):
    """One of the 28 lines of the ML Test Score, with what it was given for.

    ``evidence`` names checks and records, ``link`` leads to the first of them, ``age_s`` is that
    of the oldest; ``earn`` says what would earn the point.
    """

    id: str
    section: Section
    title: str
    state: LineState
    points: float
    evidence: str
    link: str | None
    age_s: float | None
    words: str
    earn: str


class ScorecardRecord(Record):
    """The ML Test Score of a pipeline: the least of the four sections' sums."""

    pipeline: str
    at: str
    score: float
    sections: dict[Section, float]
    lines: tuple[ScoreLine, ...]
