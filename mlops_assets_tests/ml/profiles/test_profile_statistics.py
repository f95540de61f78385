"""statistics.json as SageMaker Model Monitor writes and reads it."""

import json

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.profiles.profile import fit_grids, profile
from mlops_assets.ml.profiles.statistics import statistics


def made(frame: pd.DataFrame, **kwargs) -> dict[str, dict]:
    content = statistics(profile(frame, fit_grids(frame)), **kwargs)
    assert content == json.loads(json.dumps(content, allow_nan=False)), "strict JSON"
    assert (content["version"], content["dataset"]["item_count"]) == (0, len(frame))
    return {feature["name"]: feature for feature in content["features"]}


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 1000, 99_999])
def test_the_sketch_weighs_as_much_as_there_are_rows(rows):
    """Items of level i stand for 2^i rows: a reader that adds them up must get the rows."""
    values = np.random.default_rng(rows).normal(size=rows)
    told = made(pd.DataFrame({"x": values}))["x"]["numerical_statistics"]
    sketch = told["distribution"]["kll"]["sketch"]
    assert sketch["parameters"] == {"c": 0.64, "k": 2048.0}
    assert sum(len(items) << level for level, items in enumerate(sketch["data"])) == rows
    items = [(v, 1 << level) for level, row in enumerate(sketch["data"]) for v in row]
    mean = sum(value * weight for value, weight in items) / rows
    assert mean == pytest.approx(values.mean(), abs=0.05)


def test_ten_buckets_hold_every_row_between_the_extremes():
    values = np.random.default_rng(0).lognormal(size=5000)
    told = made(pd.DataFrame({"x": [*values, np.inf, -np.inf, np.nan]}))["x"][
        "numerical_statistics"
    ]
    buckets = told["distribution"]["kll"]["buckets"]
    assert len(buckets) == 10
    assert (buckets[0]["lower_bound"], buckets[-1]["upper_bound"]) == (values.min(), values.max())
    bounds = [bucket["lower_bound"] for bucket in buckets] + [values.max()]
    exact, _ = np.histogram(values, bounds)
    assert sum(bucket["count"] for bucket in buckets) == 5000
    assert [b["count"] for b in buckets] == pytest.approx(exact.tolist(), abs=15)
    assert told["common"] == {"num_present": 5002, "num_missing": 1}
    assert told["mean"] == pytest.approx(values.mean())
    assert told["std_dev"] == pytest.approx(values.std())
    assert told["sum"] == pytest.approx(values.sum())


def test_whole_numbers_in_buckets_are_exact():
    values = np.random.default_rng(0).integers(0, 24, 3000)
    told = made(pd.DataFrame({"x": values}))["x"]
    assert told["inferred_type"] == "Integral"
    buckets = told["numerical_statistics"]["distribution"]["kll"]["buckets"]
    exact, _ = np.histogram(values, [b["lower_bound"] for b in buckets] + [23])
    assert [b["count"] for b in buckets] == exact.tolist()


def test_types_are_inferred_as_sagemaker_names_them():
    found = made(
        pd.DataFrame(
            {
                "whole": [1, 2, 3],
                "part": [1.5, 2.0, 3.1],
                "text": ["a", "b", "a"],
                "flag": [True, False, True],
                "none": [np.nan] * 3,
            }
        )
    )
    assert {name: feature["inferred_type"] for name, feature in found.items()} == {
        "whole": "Integral",
        "part": "Fractional",
        "text": "String",
        "flag": "String",
        "none": "Unknown",
    }
    text = found["text"]["string_statistics"]
    assert text["distinct_count"] == 2
    assert text["distribution"]["categorical"]["buckets"][0] == {"value": "a", "count": 2}
    assert "numerical_statistics" not in found["none"]


def test_personal_columns_tell_no_value():
    frame = pd.DataFrame({"age": [17.5, 93.0], "name": ["Ada", "Grace"]})
    told = json.dumps(made(frame, hide=("age", "name")))
    assert "93" not in told
    assert "Ada" not in told
    assert "num_present" in told
