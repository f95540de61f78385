"""Partial dependence: what the model answers on average, if one feature had this value.

Source: Friedman, "Greedy function approximation", Annals of Statistics 2001, section 8.2. Belongs
here: the curve of one feature on its quantiles, or its most frequent categories. Does not: drawing
it (`plots`). A feature that goes with others is shown where no row is; the count of rows says how
much of the curve is real.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Predict = Callable[[pd.DataFrame], NDArray[np.float64]]

POINTS = 15
ROWS = 200


@dataclass(frozen=True)
class Dependence:
    """One feature's curve: at each of ``values`` the mean answer, and how many rows lie there.

    ``label``: the class whose probability is drawn, where a model answers several.
    """

    column: str
    numeric: bool
    values: tuple[float | str, ...]
    answers: tuple[float, ...]
    rows: tuple[int, ...]
    label: str = ""


def dependence(
    predict: Predict, frame: pd.DataFrame, column: str, label: str = ""
) -> Dependence | None:
    """Mean answers over at most 200 rows with ``column`` set to each point in turn.

    Points are up to 15 quantiles of a number, or the 15 most frequent categories. None for a
    column with fewer than two values.

    >>> rows = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": [5.0, 5.0, 5.0]})
    >>> curve = dependence(lambda f: (f["x"] * 2 + f["y"]).to_numpy(), rows, "x")
    >>> curve.values, curve.answers
    ((0.0, 1.0, 2.0), (5.0, 7.0, 9.0))
    """
    values = frame[column].dropna()
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    points: Sequence[Any]
    points, rows = _grid(values) if numeric else _words(values)
    if len(points) < 2:
        return None
    places = np.unique(np.linspace(0, len(frame) - 1, min(ROWS, len(frame))).astype(int))
    chosen = frame.iloc[places].reset_index(drop=True)
    many = pd.concat([chosen] * len(points), ignore_index=True)
    many[column] = np.repeat(np.array(points, dtype=float if numeric else object), len(chosen))
    answers = np.asarray(predict(many)).reshape(len(points), len(chosen)).mean(axis=1)
    shown = tuple(float(point) if numeric else str(point) for point in points)
    return Dependence(column, numeric, shown, tuple(answers.tolist()), rows, label)


def curves(
    predict: Predict,
    frame: pd.DataFrame,
    importance: Mapping[str, float],
    top: int = 6,
    of: Callable[[str], tuple[int, str]] | None = None,
) -> tuple[Dependence, ...]:
    """The curves of the features that matter most, in that order.

    Args:
        of: of a model that answers (n, classes), which class to draw for a feature: its place and
            name.
    """
    found = []
    for name in list(importance)[:top]:
        if of is None:
            found.append(dependence(predict, frame, name))
        else:
            place, label = of(name)
            one = partial(_answers_of, predict, place)
            found.append(dependence(one, frame, name, label))
    return tuple(curve for curve in found if curve is not None)


def _answers_of(predict: Predict, place: int, frame: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(predict(frame))[:, place]


def _grid(values: pd.Series) -> tuple[list[float], tuple[int, ...]]:
    numbers = values.to_numpy(float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return [], ()
    # Of the inverted distribution, so that every point is a value that some row has.
    shares = np.linspace(0.01, 0.99, POINTS)
    points = np.unique(np.quantile(numbers, shares, method="inverted_cdf"))
    nearest = np.searchsorted((points[1:] + points[:-1]) / 2, numbers)
    return points.tolist(), tuple(np.bincount(nearest, minlength=len(points)).tolist())


def _words(values: pd.Series) -> tuple[list[Any], tuple[int, ...]]:
    counts = values.astype(object).value_counts().head(POINTS)
    return counts.index.tolist(), tuple(counts.tolist())
