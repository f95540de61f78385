"""How good answers probably are before their labels are there: confidence-based estimation (CBPE).

A calibrated probability says how often an answer like this one comes true, so the answers alone
tell the expected confusion matrix, and every metric made of it. That **assumes P(y|x) unchanged**:
it follows a change of the rows' mix, and is blind when the same rows come to mean something else,
which is what concept drift is. So an estimate may warn; it is never evidence that all is well.

Source: NannyML's CBPE (Białek et al., "Estimating Model Performance Under Covariate Shift Without
Labels", 2024). There is no such estimate for a regression: an answer does not tell its own error.

Belongs here: the estimate. Does not belong here: the calibration (`calibration`), verdicts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mlops_assets.ml import weighted
from mlops_assets.ml.metrics import checked_binary

ASSUMES = "assumes P(y|x) unchanged"

_ESTIMATED = ("auc", "pr_auc", "log_loss", "brier", "accuracy", "base_rate")


def estimate(p: ArrayLike, calibrated: ArrayLike, *, threshold: float = 0.5) -> dict[str, float]:
    """Expected auc, pr_auc, log_loss, brier, accuracy, base_rate, error_rate and calibration_gap.

    Args:
        p: (n,) what the model said.
        calibrated: (n,) the same as shares that come true, by a `calibration.Calibrator`.
        threshold: from which on an answer is a positive one, in ``error_rate``.

    Each row counts as a positive with weight ``calibrated`` and as a negative with the rest; the
    metrics of those 2n weighted rows are the estimate. ECE cannot be estimated so: it is noise
    that the expectation takes away. Metrics that are undefined (AUC where every share is 0 or 1
    alike) are left out. ValueError for what is no probability.

    >>> found = estimate([0.2, 0.8], [0.2, 0.8])
    >>> round(found["accuracy"], 4), round(found["auc"], 4), found["base_rate"]
    (0.8, 0.8, 0.5)
    """
    share, said = np.asarray(calibrated, float), np.asarray(p, float)
    checked_binary(np.zeros(len(share)), share)
    rows = len(said)
    truth, score = checked_binary(np.repeat([1.0, 0.0], rows), np.concatenate([said, said]))
    weights = np.concatenate([share, 1 - share])
    found = {name: weighted.BINARY[name](truth, score)(weights) for name in _ESTIMATED}
    found["error_rate"] = float(np.where(said >= threshold, 1 - share, share).mean())
    found["calibration_gap"] = float((said - share).mean())
    return {name: value for name, value in found.items() if np.isfinite(value)}


def estimate_of_top(p: ArrayLike, calibrated: ArrayLike) -> dict[str, float]:
    """Expected accuracy, error_rate and calibration_gap of a model of several classes.

    Args:
        p: (n,) the probability of each row's most probable class.
        calibrated: (n,) the same as shares that come true.

    What such an answer says of the classes that are not the most probable one is not calibrated,
    so the metrics that use all of it (log-loss, AUC) have no estimate.

    >>> round(estimate_of_top([0.9, 0.8], [0.7, 0.6])["accuracy"], 6)
    0.65
    """
    share, said = np.asarray(calibrated, float), np.asarray(p, float)
    checked_binary(np.zeros(len(share)), share)
    accuracy = float(share.mean())
    return {
        "accuracy": accuracy,
        "error_rate": 1 - accuracy,
        "calibration_gap": float((said - share).mean()),
    }


def confusion(p: ArrayLike, calibrated: ArrayLike, *, threshold: float = 0.5) -> dict[str, float]:
    """Expected counts: true_positive, false_positive, true_negative, false_negative.

    >>> confusion([0.2, 0.8], [0.25, 0.75])
    {'true_positive': 0.75, 'false_positive': 0.25, 'true_negative': 0.75, 'false_negative': 0.25}
    """
    share, positive = np.asarray(calibrated, float), np.asarray(p, float) >= threshold
    return {
        "true_positive": float(share[positive].sum()),
        "false_positive": float((1 - share)[positive].sum()),
        "true_negative": float((1 - share)[~positive].sum()),
        "false_negative": float(share[~positive].sum()),
    }
