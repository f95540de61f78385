"""Answers and labels made up for tests: a calibrated model, and the same world changed."""

import numpy as np


def answers(
    rows: int, seed: int, *, mix: float = 0.0, concept: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and a model's probabilities, (rows,) each; the model is right about the old world.

    Args:
        mix: how far the rows move to where positives are more common; P(y|x) stays.
        concept: added to the log-odds of every row: P(y|x) changes, the rows stay.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(mix - 1, 1.2, rows)
    said = 1 / (1 + np.exp(-z))
    truth = rng.random(rows) < 1 / (1 + np.exp(-(z + concept)))
    return truth.astype(float), said


def nannyml_fixture(rows: int, seed: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """The rows on which NannyML was run: an overconfident model, scores rounded to 6 digits."""
    rng = np.random.default_rng(seed)
    z = rng.normal(shift, 1, rows)
    truth = rng.random(rows) < 1 / (1 + np.exp(-(z - 1)))
    return truth.astype(float), np.round(1 / (1 + np.exp(-(1.7 * (z - 1) + 0.3))), 6)
