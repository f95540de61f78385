"""Ranges: what they stand for, which are refused, and the sampler's way there and back."""

from __future__ import annotations

import re
import statistics

import pytest

from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.tuning.search_space import (
    Parameter,
    combinations,
    read_space,
    untuned_hints,
)
from mlops_assets.sagemaker_local.tuning.suggestions import (
    Observation,
    Search,
    grid_point,
    suggest,
)
from mlops_assets.sagemaker_local.tuning.tuning_defaults import with_metrics


def continuous(low: str, high: str, scale: str = "Auto", name: str = "eta") -> dict:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scale}


def one(kind: str, item: dict) -> Parameter:
    (found,) = read_space({kind: [item]})
    return found


@pytest.mark.parametrize(
    ("kind", "item", "words"),
    [
        ("ContinuousParameterRanges", continuous("1", "0"), "must not be greater than MaxValue 0"),
        ("ContinuousParameterRanges", continuous("low", "1"), "'low' is not a number"),
        ("ContinuousParameterRanges", continuous("0", "inf"), "'inf' is not finite"),
        ("ContinuousParameterRanges", continuous("nan", "1"), "'nan' is not finite"),
        ("IntegerParameterRanges", continuous("0.5", "3"), "'0.5' is not an integer"),
        ("IntegerParameterRanges", continuous("0", "9", "Logarithmic"), "greater than 0, not from"),
        ("ContinuousParameterRanges", continuous("0", "1", "Logarithmic"), "greater than 0"),
        ("ContinuousParameterRanges", continuous("0", "1", "ReverseLogarithmic"), "0<=x<1.0"),
        ("ContinuousParameterRanges", continuous("-1", "0", "ReverseLogarithmic"), "0<=x<1.0"),
        ("IntegerParameterRanges", continuous("0", "0", "ReverseLogarithmic"), "cannot be Reverse"),
        ("CategoricalParameterRanges", {"Name": "eta", "Values": ["a", "a"]}, "not distinct"),
    ],
)
def test_a_range_that_is_none_is_refused_by_its_name(kind, item, words):
    """A range that the service refuses must not search here for an hour first."""
    with pytest.raises(ApiError, match=words) as caught:
        one(kind, item)
    assert "eta" in caught.value.message


def test_a_name_of_two_ranges_and_too_many_are_refused():
    """One of the two would silently not be searched."""
    twice = {
        "IntegerParameterRanges": [continuous("1", "2", name="a")],
        "ContinuousParameterRanges": [continuous("1", "2", name="a")],
    }
    with pytest.raises(ApiError, match="name a more than once"):
        read_space(twice)
    many = [continuous("1", "2", name=f"a{number}") for number in range(31)]
    with pytest.raises(ApiError, match="31 hyperparameters"):
        read_space({"ContinuousParameterRanges": many[:16], "IntegerParameterRanges": many[16:]})


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        ("0.001", "1", "Logarithmic"),
        ("0.5", "0.999", "ReverseLogarithmic"),
        ("0", "1", "Linear"),
        ("-5", "5", "Linear"),
        ("1", "20", "Linear"),
    ],
)
def test_auto_takes_the_scale_that_spreads_the_values(low, high, scale):
    """A learning rate searched linearly from 0.0001 to 1 is never tried below 0.01."""
    assert one("ContinuousParameterRanges", continuous(low, high)).scale == scale


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
@pytest.mark.parametrize("scale", ["Linear", "Logarithmic", "ReverseLogarithmic"])
def test_points_lie_in_their_ranges_and_survive_being_text(strategy, scale):
    """A training job gets strings; what is told back to the sampler is read from them."""
    space = read_space(
        {
            "ContinuousParameterRanges": [continuous("0.001", "0.999", scale, "share")],
            "IntegerParameterRanges": [continuous("1", "400", "Logarithmic", "depth")],
            "CategoricalParameterRanges": [{"Name": "kind", "Values": ["1", "2"]}],
        }
    )
    seen: list[Observation] = []
    for number in range(15):
        point = suggest(Search(space, strategy, 7), number, seen)
        for parameter in space:
            assert parameter.value(parameter.text(point[parameter.name])) == point[parameter.name]
        stopped = 2 if number % 5 == 0 else None
        score = None if number % 4 == 0 else float(point["share"])
        seen.append(Observation(point, score, stopped))


def test_scales_put_half_of_the_points_where_they_say():
    """The median of a logarithmic search is the geometric mean of its bounds, not the middle."""
    medians = {}
    for scale in ("Linear", "Logarithmic", "ReverseLogarithmic"):
        space = (one("ContinuousParameterRanges", continuous("0.0001", "0.9999", scale)),)
        points = [suggest(Search(space, "Random", 1), n, [])["eta"] for n in range(60)]
        medians[scale] = statistics.median(points)
    assert 0.3 < medians["Linear"] < 0.7
    assert medians["Logarithmic"] < 0.05
    assert medians["ReverseLogarithmic"] > 0.95


def test_hints_become_ranges_around_them_and_what_is_no_number_stays():
    """Autotune without a range would tune nothing and say that it did."""
    hints = [("eta", "0.3"), ("depth", "6"), ("objective", "reg:squarederror"), ("zero", "0")]
    ranges = {"AutoParameters": [{"Name": name, "ValueHint": hint} for name, hint in hints]}
    eta, depth = read_space(ranges)
    assert (eta.low, eta.high, eta.scale) == (pytest.approx(0.03), 1.0, "Logarithmic")
    assert (depth.low, depth.high, depth.integer) == (1, 60, True)
    assert untuned_hints(ranges) == {"objective": "reg:squarederror", "zero": "0"}


def test_a_grid_is_every_combination_once():
    """A combination left out may have been the best."""
    space = (Parameter("a", choices=("1", "2")), Parameter("b", choices=("x", "y", "z")))
    points = [tuple(grid_point(space, number).values()) for number in range(6)]
    assert len(set(points)) == combinations(space) == 6


def test_the_same_seed_gives_the_same_search_and_another_seed_another():
    """RandomSeed is what makes two tuning jobs comparable."""

    def search(strategy: str, seed: int) -> list[dict]:
        space = (Parameter("x", -5, 5), Parameter("y", -5, 5))
        seen: list[Observation] = []
        for number in range(12):
            point = suggest(Search(space, strategy, seed), number, seen)
            seen.append(Observation(point, float(point["x"]) ** 2))
        return [dict(observation.point) for observation in seen]

    for strategy in ("Random", "Bayesian"):
        assert search(strategy, 1) == search(strategy, 1)
        assert search(strategy, 1) != search(strategy, 2)


def test_a_point_is_not_tried_twice_while_there_are_others():
    """With a small space random draws repeat: each repetition is a training job for nothing."""
    space = (Parameter("a", 1, 3, integer=True), Parameter("b", choices=("x", "y")))
    for strategy in ("Random", "Bayesian"):
        seen: list[Observation] = []
        for number in range(6):
            point = suggest(Search(space, strategy, 3), number, seen)
            seen.append(Observation(point, 1.0))
        assert len({tuple(observation.point.values()) for observation in seen}) == 6
        suggest(Search(space, strategy, 3), 6, seen)  # all were tried: one is repeated


def test_bayesian_beats_random_on_a_quadratic_at_the_same_budget():
    """A sampler that is not told its results is a random search by another name."""

    def best(strategy: str, seed: int) -> float:
        space = (Parameter("x", -5, 5), Parameter("y", -5, 5))
        seen: list[Observation] = []
        for number in range(24):
            point = suggest(Search(space, strategy, seed), number, seen)
            score = (float(point["x"]) - 1.3) ** 2 + (float(point["y"]) + 0.7) ** 2
            seen.append(Observation(point, score))
        return min(observation.score for observation in seen if observation.score is not None)

    seeds = range(10)
    bayesian, random = (
        statistics.fmean(best(strategy, seed) for seed in seeds)
        for strategy in ("Bayesian", "Random")
    )
    assert bayesian < random / 2


def test_the_built_in_xgboost_has_its_metrics_without_being_asked():
    """The service knows how its own algorithm logs; a user cannot define it there."""
    objective = {"Type": "Maximize", "MetricName": "validation:auc"}
    algorithm = {"TrainingImage": "1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1"}
    asked = {
        "HyperParameterTuningJobConfig": {"HyperParameterTuningJobObjective": objective},
        "TrainingJobDefinition": {"AlgorithmSpecification": algorithm},
    }
    found = with_metrics(asked)["TrainingJobDefinition"]["AlgorithmSpecification"]
    (defined,) = found["MetricDefinitions"]
    assert defined["Name"] == "validation:auc"
    for line in ("[7]#011train-auc:0.9#011validation-auc:8.5e-1", "[7]\tvalidation-auc:0.85"):
        assert float(re.search(defined["Regex"], line)[1]) == 0.85
    asked["TrainingJobDefinition"]["AlgorithmSpecification"] = {"TrainingImage": "other:1"}
    assert with_metrics(asked) == asked
