"""What data is used for: which columns a model may see, and where personal values may be.

Here: those two questions. Not here: what looks personal (`ml.personal`), redaction itself
(`checks.rows`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlops_assets.checks.results import Verdict
from mlops_assets.checks.rows import REDACTED
from mlops_assets.ml.personal import looks_personal
from mlops_assets.pipeline import MLPipeline

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake


def allowed(pipeline: MLPipeline, taken: Sequence[str]) -> Verdict:
    """Whether the model takes declared features only, and none that it must not see.

    ``taken``: the columns that the artifact itself says that it reads.
    """
    # Of two reasons the plainer one is said: the label is known late as well.
    forbidden = {
        **{
            column: f"known only at {when}"
            for when, columns in pipeline.known_at.items()
            for column in columns
        },
        **dict.fromkeys(pipeline.personal, "personal"),
        **dict.fromkeys(pipeline.entity_key, "an entity key"),
        pipeline.label.column: "the label",
    }
    reasons = {name: "not declared" for name in taken if name not in pipeline.feature_columns} | {
        name: forbidden[name] for name in taken if name in forbidden
    }
    broken = [f"{name} is {why}" for name, why in reasons.items()]
    if broken:
        return Verdict(False, "; ".join(broken))
    return Verdict(
        True, f"{len(taken)} declared features of one source ({pipeline.source.describe()})"
    )


def privacy(
    pipeline: MLPipeline,
    lake: "Lake",
    partition: str,
    *,
    datasets: Mapping[str, Sequence[str]],
) -> Verdict:
    """Whether personal columns are declared, and their values are only where they may be.

    ``datasets``: {what they are: their columns}, where no personal column may be.
    """
    personal = set(pipeline.personal)
    raw = pipeline.table("raw")
    problems = [
        f"{column} {why}, and is not declared as personal"
        for column, why in looks_personal(lake.read(raw, [partition])).items()
        if column not in personal
    ]
    for what, columns in datasets.items():
        problems += [f"{column} is in the {what}" for column in columns if column in personal]
    problems += _in_quarantine(pipeline, lake, partition)
    captures = pipeline.table("captures")
    if lake.exists(captures) and partition in lake.partitions(captures):
        kept = lake.read(captures, [partition]).columns
        problems += [f"{column} is in the captures" for column in kept if column in personal]
    if problems:
        return Verdict(False, "; ".join(problems))
    declared = ", ".join(pipeline.personal) or "nothing"
    return Verdict(
        True, f"declared as personal: {declared}; in no dataset, quarantined row or capture"
    )


def _in_quarantine(pipeline: MLPipeline, lake: "Lake", partition: str) -> list[str]:
    table = pipeline.table("quarantine")
    if not pipeline.personal or partition not in lake.partitions(table):
        return []
    records = [json.loads(text) for text in lake.read(table, [partition])["record"]]
    return [
        f"{column} is legible in quarantine"
        for column in pipeline.personal
        if any(column in record and record[column] != REDACTED for record in records)
    ]
