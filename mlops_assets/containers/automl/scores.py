"""The metrics that AutoML jobs are judged by, under the service's names.

Belongs here: predictions and truth to numbers. Does not belong here: which rows are measured
(candidate.py), which metric is the objective (sagemaker_local/automl).
"""

from __future__ import annotations

import numpy as np


def measured(problem: str, truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """Every metric of a problem type, but for those that need two classes where there is one.

    Args:
        truth: (n,) class numbers, or values for Regression.
        answers: (n,) probabilities of class 1, (n, classes) probabilities, or (n,) values.

    >>> measured("Regression", np.array([1.0, 2.0]), np.array([1.0, 4.0]))["MSE"]
    2.0
    """
    if problem == "Regression":
        return _regression(truth, answers)
    if problem == "BinaryClassification":
        return _binary(truth, answers)
    return _multiclass(truth, answers)


def _regression(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    errors = answers - truth
    mse, spread = float((errors**2).mean()), float(truth.var())
    found = {"MSE": mse, "RMSE": mse**0.5, "MAE": float(np.abs(errors).mean())}
    if spread > 0:
        found["R2"] = 1 - mse / spread
    return found


def _binary(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    chosen = (answers >= 0.5).astype(int)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, chosen, average="binary", zero_division=0.0
    )
    found = {
        "Accuracy": metrics.accuracy_score(truth, chosen),
        "F1": f1,
        "Precision": precision,
        "Recall": recall,
        "LogLoss": metrics.log_loss(truth, answers, labels=[0, 1]),
    }
    if len(np.unique(truth)) == 2:
        found["BalancedAccuracy"] = metrics.balanced_accuracy_score(truth, chosen)
        found["AUC"] = metrics.roc_auc_score(truth, answers)
    return {name: float(value) for name, value in found.items()}


def _multiclass(truth: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    from sklearn import metrics

    chosen = answers.argmax(axis=1)
    answers = answers / answers.sum(axis=1, keepdims=True)  # they came in single precision
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, chosen, average="macro", zero_division=0.0
    )
    found = {
        "Accuracy": metrics.accuracy_score(truth, chosen),
        "BalancedAccuracy": metrics.balanced_accuracy_score(truth, chosen),
        "F1macro": f1,
        "PrecisionMacro": precision,
        "RecallMacro": recall,
        "LogLoss": metrics.log_loss(truth, answers, labels=list(range(answers.shape[1]))),
    }
    return {name: float(value) for name, value in found.items()}
