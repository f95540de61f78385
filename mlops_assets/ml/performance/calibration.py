"""Is a probability what it says? Isotonic calibration, the gap and its band under no gap.

Belongs here: the calibration curve that an estimate needs, the figures of miscalibration. Does not
belong here: the points of a reliability plot (`metrics.calibration_points`), verdicts (`verdict`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mlops_assets.ml import weighted
from mlops_assets.ml.blocks import block_numbers, widened
from mlops_assets.ml.metrics import checked_binary, checked_multiclass
from mlops_assets.ml.performance.intervals import Kind

DRAWS = 2000
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Calibrator:
    """A rising, piecewise linear curve from what a model says to the share that came true.

    Args:
        says: (k,) rising probabilities of the model; outside of them the ends hold.
        means: (k,) never falling, the share of positives there.
    """

    says: tuple[float, ...]
    means: tuple[float, ...]

    def __call__(self, p: ArrayLike) -> np.ndarray:
        """The calibrated probabilities of p, (n,)."""
        return np.interp(np.asarray(p, float), self.says, self.means)


@dataclass(frozen=True)
class CalibrationGap:
    """How far answers are from what came true.

    Args:
        gap: mean predicted minus observed share, with its 95 % interval ``low`` to ``high``.
        ece: expected calibration error over 15 bins.
        ece_by_chance: what 95 % of samples of this size stay below if the answers are calibrated.
    """

    predicted: float
    observed: float
    gap: float
    low: float
    high: float
    ece: float
    ece_by_chance: float


def confidence(kind: Kind, y: ArrayLike, p: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(n,) what came true and (n,) how sure the model was of it, as the functions here take them.

    Of several classes: whether the most probable one was the row's own, and how probable it was.
    """
    if kind == "multiclass":
        return weighted.top_class(*checked_multiclass(y, p))
    return np.asarray(y, float), np.asarray(p, float)


def fit(y: ArrayLike, p: ArrayLike) -> Calibrator:
    """Isotonic regression of labels on answers, by scikit-learn.

    y: (n,) of 0/1, p: (n,) in [0, 1], held out from training: on rows that a model has learned by
    heart it looks calibrated. Source: Zadrozny and Elkan, "Transforming classifier scores into
    accurate multiclass probability estimates", KDD 2002. ValueError for what is no probability.

    >>> fit([0, 1, 0, 1], [0.2, 0.2, 0.8, 0.8])([0.2, 0.5])
    array([0.5, 0.5])
    """
    truth, score = checked_binary(y, p)
    # Imported here: scikit-learn takes a second to import.
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(out_of_bounds="clip").fit(score, truth)
    return Calibrator(
        tuple(map(float, curve.X_thresholds_)), tuple(map(float, curve.y_thresholds_))
    )


def gap(
    y: ArrayLike, p: ArrayLike, *, seed: int = 0, blocks: ArrayLike | None = None
) -> CalibrationGap:
    """The calibration gap and the expected calibration error, each with what chance explains.

    The gap's interval is normal, from the rows' own spread. The band of ECE is consistency
    resampling (Bröcker and Smith, "Increasing the reliability of reliability diagrams", 2007):
    labels are drawn from the answers themselves, by the normal approximation within each bin.

    `blocks`: (n,) of what each row belongs to, such as its day. Then the interval is of the blocks'
    spread (a t of as many blocks less one), and the band turns the sign of all differences of a
    block at a time (the wild cluster bootstrap: Cameron, Gelbach and Miller, "Bootstrap-Based
    Improvements for Inference with Clustered Errors", 2008): what is wrong together stays together.

    >>> found = gap([0, 1] * 500, [0.5] * 1000)
    >>> found.gap, found.ece, found.ece < found.ece_by_chance
    (0.0, 0.0, True)
    """
    truth, score = checked_binary(y, p)
    rows, rng = len(truth), np.random.default_rng(seed)
    difference = score - truth
    middle = float(difference.mean())
    bins = np.minimum((score * weighted.ECE_BINS).astype(int), weighted.ECE_BINS - 1)
    members, count = block_numbers(blocks, rows)
    if members is None:
        half = _NORMAL * float(difference.std(ddof=1)) / rows**0.5 if rows > 1 else 1.0
        spread = np.sqrt(np.bincount(bins, score * (1 - score), weighted.ECE_BINS))
        errors = rng.standard_normal((DRAWS, weighted.ECE_BINS)) * spread
    else:
        together = np.bincount(members, difference - middle, count)
        half = _NORMAL * widened(count) * float(np.sqrt((together**2).sum())) / rows
        cells = members * weighted.ECE_BINS + bins
        by_block = np.bincount(cells, difference, count * weighted.ECE_BINS)
        signs = rng.choice([-1.0, 1.0], (DRAWS, count))
        errors = signs @ by_block.reshape(count, weighted.ECE_BINS)
    by_chance = np.abs(errors).sum(axis=1) / rows
    return CalibrationGap(
        predicted=float(score.mean()),
        observed=float(truth.mean()),
        gap=middle,
        low=middle - half,
        high=middle + half,
        ece=weighted.ece(truth, score)(np.ones(rows)),
        ece_by_chance=float(np.quantile(by_chance, 0.95)),
    )
