"""Inputs at and beyond the edge: a finite answer or a refusal, nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.stability import edge_cases, unstable

ROWS = pd.DataFrame({"x": [1.0, 2.0], "n": [1, 2], "s": ["a", "b"]})


class Refused(ValueError):
    pass


def found(answer, *, probability: bool = True) -> list[str]:
    return unstable(answer, ROWS, refusal=Refused, probability=probability)[0]


def test_every_column_is_taken_to_every_edge_of_its_kind():
    cases = edge_cases(ROWS)
    assert {"x = NaN", "n = infinity", "s = empty", "s = missing", "all numbers = 1e308"} <= set(
        cases
    )
    assert cases["x = −infinity"]["x"] == [float("-inf")] * 2
    assert cases["x = −infinity"]["s"] == ["a", "b"]
    assert all(len(values) == 2 for case in cases.values() for values in case.values())


def test_a_model_that_stays_within_its_bounds_is_stable():
    assert found(lambda columns: np.full(2, 0.5)) == []


def test_a_refusal_is_as_good_as_an_answer():
    def refuses(columns):
        raise Refused("not a number")

    assert found(refuses) == []


def test_nan_infinity_and_impossible_probabilities_are_found():
    def sums(columns):
        return np.array([v if v is not None else 0.0 for v in columns["x"]], float) / 4

    assert "x = NaN" in found(sums)
    assert "x = infinity" in found(sums)
    assert "x = 1e308" in found(sums)
    assert "x = 0" not in found(sums)
    assert "x = 1e308" not in found(sums, probability=False)


def test_another_error_than_a_refusal_is_not_hidden():
    """A crash inside of the model is no answer: the audit must stop, not pass."""

    def crashes(columns):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        found(crashes)
