"""The figures of a partition's answers: metrics, promise, estimate, reliability and slices.

Here: which rows go into which figure. Not here: the arithmetic (`ml.performance`), what figures
mean (`performance_judging`).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mlops_assets.assets.blocks import event_blocks
from mlops_assets.assets.monitoring.quality.performance_held_out import Promise
from mlops_assets.ml.blocks import LEAST_BLOCKS
from mlops_assets.ml.metrics import calibration_points
from mlops_assets.ml.performance.calibration import confidence
from mlops_assets.ml.performance.estimate import estimate, estimate_of_top
from mlops_assets.ml.performance.intervals import Measured, measure, measure_slices, metrics_of
from mlops_assets.pipeline import MLPipeline

CALIBRATION_BINS = 10

Promises = Mapping[int, Promise | None]


def versions(rows: pd.DataFrame) -> list[int]:
    """The model package versions that answered, in order."""
    return sorted(int(version) for version in rows["version"].dropna().unique())


def measured(pipeline: MLPipeline, known: pd.DataFrame) -> dict[str, Measured]:
    """Every metric of labelled answers with its interval; of no rows, none."""
    blocks = blocks_of(pipeline, known)
    if known.empty or count_of(blocks, known) < LEAST_BLOCKS:
        return {}
    kind = pipeline.label.kind
    metrics = metrics_of(kind, pipeline.monitors.decision_threshold)
    return measure(known["label"], answers(pipeline, known), metrics, kind=kind, blocks=blocks)


def answers(pipeline: MLPipeline, rows: pd.DataFrame) -> np.ndarray:
    """What the model answered: (n,), or (n, classes) where the label has several."""
    columns = pipeline.label.answers
    return rows[list(columns) if columns else "prediction"].to_numpy(float)


def blocks_of(pipeline: MLPipeline, rows: pd.DataFrame) -> np.ndarray | None:
    """The block of time of each answer's event; None where answers are independent."""
    return event_blocks(pipeline, rows, "event_time")


def count_of(blocks: np.ndarray | None, rows: pd.DataFrame) -> int:
    """How many independent things there are: blocks, else rows."""
    return len(rows) if blocks is None else len(np.unique(blocks))


def confident(pipeline: MLPipeline, known: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What came true and how sure the model was, (n,) each, by `ml.performance.calibration`."""
    return confidence(pipeline.label.kind, known["label"], answers(pipeline, known))


def promised(rows: pd.DataFrame, promises: Promises) -> dict[str, Measured]:
    """The held-out figures of the versions that answered, weighted by their rows.

    Only metrics that every one of them has: a mean over some would be another model's promise.
    """
    weights = rows["version"].value_counts(normalize=True)
    answered = [(promises.get(int(version)), float(share)) for version, share in weights.items()]
    parts = [(promise.held_out, share) for promise, share in answered if promise is not None]
    if not parts or len(parts) < len(answered):
        return {}

    def mean(name: str, side: str) -> float:
        return sum(share * getattr(held_out[name], side) for held_out, share in parts)

    names = set.intersection(*(set(held_out) for held_out, _ in parts))
    return {n: Measured(mean(n, "value"), mean(n, "low"), mean(n, "high")) for n in sorted(names)}


def estimated(
    pipeline: MLPipeline, rows: pd.DataFrame, promises: Promises, metrics: Mapping[str, Measured]
) -> tuple[dict[str, float], dict[str, float]]:
    """The estimate over all answers, and realised minus estimated where the label is known."""
    kind = pipeline.label.kind
    if kind == "regression" or rows.empty:
        return {}, {}
    said = answers(pipeline, rows)
    if kind == "multiclass":
        said = said.max(axis=1)
    calibrated = _calibrated(rows, said, promises)
    if calibrated is None:
        return {}, {}
    threshold = pipeline.monitors.decision_threshold

    def of(chosen: np.ndarray) -> dict[str, float]:
        if kind == "multiclass":
            return estimate_of_top(said[chosen], calibrated[chosen])
        return estimate(said[chosen], calibrated[chosen], threshold=threshold)

    all_rows, known = of(np.ones(len(rows), bool)), rows["label"].notna().to_numpy(bool)
    if not known.any():
        return all_rows, {}
    on_known = of(known)
    return all_rows, {n: metrics[n].value - v for n, v in on_known.items() if n in metrics}


def reliability(pipeline: MLPipeline, known: pd.DataFrame) -> tuple[dict[str, float], ...]:
    """The points of the reliability plot; a regression has none."""
    if pipeline.label.kind == "regression" or known.empty:
        return ()
    points = calibration_points(*confident(pipeline, known), CALIBRATION_BINS)
    return tuple(points.astype(float).to_dict("records"))


def slices(pipeline: MLPipeline, known: pd.DataFrame) -> tuple[dict[str, str | int | float], ...]:
    """The primary metric with its interval, by each value of the declared slices."""
    told = pipeline.evaluation
    found = measure_slices(
        known["label"],
        answers(pipeline, known),
        known[[column for column in told.slices if column in known]],
        told.primary,
        kind=pipeline.label.kind,
        least_rows=told.slice_rows,
        threshold=pipeline.monitors.decision_threshold,
        blocks=blocks_of(pipeline, known),
    )
    return tuple(found.dropna().to_dict("records"))


def _calibrated(rows: pd.DataFrame, said: np.ndarray, promises: Promises) -> np.ndarray | None:
    """Each answer by the curve of the version that gave it; None where one has no curve."""
    calibrated = np.full(len(rows), np.nan)
    given_by = rows["version"].to_numpy()
    for version in versions(rows):
        promise = promises.get(version)
        if promise is None or promise.calibrator is None:
            return None
        mine = given_by == version
        calibrated[mine] = promise.calibrator(said[mine])
    return None if np.isnan(calibrated).any() else calibrated
