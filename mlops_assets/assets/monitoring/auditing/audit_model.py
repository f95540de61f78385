"""One model, examined on its held-out rows: features, slices, stability.

Here: asking the model. Not here: the arithmetic (`ml`), what is made of the findings (`audit`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_assets.assets.blocks import event_blocks
from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.feature_benefit import Benefit, benefits, groups
from mlops_assets.ml.slice_quality import SliceQuality, of_slices
from mlops_assets.ml.stability import unstable
from mlops_assets.pipeline import MLPipeline

if TYPE_CHECKING:
    from mlops_assets.ml.artifact.load import Artifact

_ROWS = 10_000
"""Rows that features are permuted in: spread over the partition, enough for intervals of a figure
in the fourth decimal."""
_GROUPED = 2_000
"""Rows that tell which features stand in for each other: ranks cost as much as all the answers."""
_EDGE_ROWS = 2
_TIMED = 50


@dataclass(frozen=True)
class Audit:
    """What was found on ``rows`` held-out rows; intervals are by blocks, where any are declared.

    Args:
        missing: {feature: share of missing values}.
        one_row_ms: median time of one row's answer in this process.
        unstable: the edge cases without a finite answer, of ``edge_cases``.
    """

    rows: int
    metric: str
    benefits: tuple[Benefit, ...]
    slices: tuple[SliceQuality, ...]
    missing: Mapping[str, float]
    one_row_ms: float
    unstable: tuple[str, ...]
    edge_cases: int


def examine(pipeline: MLPipeline, artifact: "Artifact", holdout: pd.DataFrame) -> Audit:
    """Ask the model about held-out rows as they are, with features permuted, and beyond the edge.

    ``holdout``: labelled rows with every column of the feature schema.
    """
    features = [column.name for column in artifact.spec.columns]
    metric, blocks = pipeline.evaluation.primary, event_blocks(pipeline, holdout)
    places = np.unique(np.linspace(0, len(holdout) - 1, min(_ROWS, len(holdout))).astype(int))
    rows = holdout.iloc[places].reset_index(drop=True)
    truth = rows[pipeline.label.column].to_numpy(float)

    def answer(frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(artifact.predict({c: frame[c].to_numpy() for c in features}), float)

    plain = rows[features]
    strange, tried = unstable(
        artifact.predict,
        plain.head(_EDGE_ROWS),
        refusal=EncodingError,
        probability=pipeline.label.kind != "regression",
    )
    return Audit(
        rows=len(rows),
        metric=metric,
        benefits=tuple(
            benefits(
                answer,
                plain,
                truth,
                metric,
                groups(plain.iloc[:: max(1, len(plain) // _GROUPED)]),
                blocks=None if blocks is None else blocks[places],
            )
        ),
        slices=tuple(
            of_slices(
                metric,
                holdout[pipeline.label.column],
                answer(holdout),
                holdout[list(pipeline.evaluation.slices)],
                pipeline.evaluation.slice_rows,
                blocks=blocks,
            )
        ),
        missing={name: float(plain[name].isna().mean()) for name in features},
        one_row_ms=_one_row_ms(artifact, plain),
        unstable=tuple(strange),
        edge_cases=tried,
    )


def _one_row_ms(artifact: "Artifact", rows: pd.DataFrame) -> float:
    one = {name: rows[name].head(1).to_numpy() for name in rows.columns}
    taken = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        artifact.predict(one)
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken))
