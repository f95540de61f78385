"""Is the champion condemned by what it answered since its rollout? Pure.

Here: from records to a verdict. Not here: whether going back helps (`assets.second_look`), nor
going back (`guard`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Line, Status


@dataclass(frozen=True)
class Condemned:
    """What speaks against a version, and how much is known: to be looked at again with twice as
    much."""

    cause: Literal["performance", "skew"]
    partition: str
    words: str
    known: int

    def key(self, pipeline: str, version: int, previous: int) -> str:
        """The same for the same charge."""
        weight = self.known.bit_length()
        return f"{pipeline}:guard:{version}:{previous}:{self.cause}:{self.partition}:{weight}"


def condemned(
    version: int, performances: Iterable[PerformanceRecord], skews: Iterable[SkewRecord]
) -> Condemned | None:
    """What speaks against a version: realised quality first, then skew; None: nothing does.

    Args:
        performances: newest partition first.
        skews: of any partitions; one counts where the version gave most of the answers.
    """
    records = list(performances)
    for record in records:
        status, lines, labelled = of_version(record, version)
        if status == "failing":
            failed = [f"{x.name} {x.figure} ({x.bound})" for x in lines if x.status == "failing"]
            words = "; ".join(failed) or "its realised quality fails"
            return Condemned("performance", record.partition, words, labelled)
    answered = {record.partition: record.versions for record in records}
    for skew in skews:
        if skew.status == "failing" and mostly(answered.get(skew.partition, {}), version):
            return Condemned("skew", skew.partition, skew.words, skew.different_rows)
    return None


def of_version(record: PerformanceRecord, version: int) -> tuple[Status, tuple[Line, ...], int]:
    """Status, lines and labelled rows of one version's answers in a partition."""
    for mine in record.by_version:
        if mine.version == version:
            return mine.status, mine.lines, mine.labelled
    if not record.by_version and mostly(record.versions, version):
        return record.status, record.lines, record.labelled
    return "unknown", (), 0


def mostly(versions: Mapping[str, int], version: int) -> bool:
    """Whether most of a partition's answers are one version's."""
    return 2 * versions.get(str(version), 0) > sum(versions.values())
