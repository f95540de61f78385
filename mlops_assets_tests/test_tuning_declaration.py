"""What is wrong with a search's declaration is said when it is made, by field, with the remedy."""

import dataclasses

import pytest

from mlops_assets.pipeline import Categorical, Continuous, DeclarationError, Integer, Tuning
from mlops_assets_tests.diabetes import declare

RANGES = {"alpha": Continuous(0.001, 10, "log"), "depth": Integer(2, 8)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranges": {}}, r"tuning\.ranges: has 0 entries"),
        ({"jobs": 0}, r"tuning\.jobs: 0 is out of bounds\. Use 1 to 750"),
        ({"parallel": 101}, r"tuning\.parallel: 101 is out of bounds"),
        ({"every": 0}, r"tuning\.every: 0 is no number of partitions"),
        ({"seed": -1}, r"tuning\.seed: -1 is out of bounds"),
        ({"strategy": "Grid"}, r"tuning\.ranges\['alpha'\]: .* cannot be walked by a grid"),
    ],
)
def test_a_wrong_search_is_named_with_its_remedy(change, message):
    with pytest.raises(DeclarationError, match=message):
        dataclasses.replace(Tuning(ranges=RANGES, metric="rmse"), **change)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Continuous(2, 1), "2 to 1 is no range"),
        (lambda: Continuous(0, float("inf")), "0 to inf is no range"),
        (lambda: Continuous(0, 1, "log"), "cannot be searched by logarithm"),
        (lambda: Continuous(0.5, 1, "reverse_log"), "the logarithm of what is left to 1"),
        (lambda: Integer(3, 3), "3 to 3 is no range"),
        (lambda: Integer(0, 3, "reverse_log"), "'reverse_log' is none of whole numbers"),
        (lambda: Categorical(()), "are none, repeated or more than 30"),
        (lambda: Categorical(("a", "a")), "are none, repeated"),
    ],
)
def test_a_range_without_room_is_refused(make, message):
    with pytest.raises(DeclarationError, match=message):
        make()


def test_the_metric_must_be_one_that_the_script_prints(tmp_path):
    """Otherwise the search would run to its end and have compared nothing."""
    pipeline = declare(tmp_path)
    with pytest.raises(DeclarationError, match=r"tuning\.metric: 'r2' is not read from"):
        dataclasses.replace(pipeline, tuning=Tuning(ranges=RANGES, metric="r2"))


def test_what_is_predicted_cannot_be_searched(tmp_path):
    tuning = Tuning(ranges={"label": Categorical(("a", "b"))}, metric="train:rmse")
    with pytest.raises(DeclarationError, match="'label' says what is predicted"):
        dataclasses.replace(declare(tmp_path), tuning=tuning)
