"""The next point of a search: Optuna's samplers, or the next of a grid.

Belongs here: the space in Optuna's words, what the sampler is told of earlier training jobs. Does
not belong here: training jobs (tuning_run.py), when a search ends (stopping_rules.py).

A suggestion is a function of the seed, the job's number and the results so far; no sampler lives
from one to the next. So a restarted server continues the same search, and with one training job at
a time the same seed gives the same search.
"""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_assets.sagemaker_local.tuning.search_space import Parameter, Value, combinations

if TYPE_CHECKING:
    import optuna

Point = Mapping[str, Value]
STARTUP = 8  # random points before the model has something to learn from
_DRAWS = 50  # how often a point that was tried already is drawn again


@dataclass(frozen=True)
class Observation:
    """A point tried: ``score`` is to be minimized, None while the job runs or where it has none.

    ``stopped_at`` is the epoch at which the job was stopped early, None for a whole run.
    """

    point: Point
    score: float | None
    stopped_at: int | None = None


@dataclass(frozen=True)
class Search:
    """What is searched and how; ``strategy`` as CreateHyperParameterTuningJob names it."""

    space: tuple[Parameter, ...]
    strategy: str
    seed: int


def suggest(search: Search, number: int, observations: Sequence[Observation]) -> dict[str, Value]:
    """The point for training job ``number``, counted from 0.

    Bayesian and Hyperband model the observations by a multivariate tree-structured Parzen estimator
    (Bergstra et al., NIPS 2011; Falkner et al., ICML 2018), with jobs that still run counted as bad
    ones, so that parallel jobs are spread. A point that was tried already is not suggested again
    while there are others.
    """
    if search.strategy == "Grid":
        return grid_point(search.space, number)
    tried = {_key(search.space, observation.point) for observation in observations}
    all_tried = len(tried) >= combinations(search.space)
    for draw in range(_DRAWS):
        point = _sampled(search, _seed(search.seed, number, draw), observations)
        if all_tried or _key(search.space, point) not in tried:
            break
    return point


def grid_point(space: tuple[Parameter, ...], number: int) -> dict[str, Value]:
    """The combination of that number, the last parameter changing fastest."""
    values = next(itertools.islice(itertools.product(*(p.choices for p in space)), number, None))
    return {parameter.name: value for parameter, value in zip(space, values, strict=True)}


def _sampled(search: Search, seed: int, observations: Sequence[Observation]) -> dict[str, Value]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {parameter.name: _distribution(parameter) for parameter in search.space}
    study = optuna.create_study(sampler=_sampler(search.strategy, seed))
    if search.strategy != "Random":
        for observation in observations:
            study.add_trial(_told(search.space, distributions, observation))
    chosen = study.ask(distributions).params
    return {p.name: _from_sampler(p, chosen[p.name]) for p in search.space}


def _sampler(strategy: str, seed: int) -> optuna.samplers.BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    if strategy == "Random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "multivariate is experimental"
        return TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True)


def _distribution(parameter: Parameter) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    low, high, log = parameter.low, parameter.high, parameter.scale != "Linear"
    if parameter.choices:
        return CategoricalDistribution(parameter.choices)
    if parameter.integer:
        return IntDistribution(int(low), int(high), log=log)
    if parameter.scale == "ReverseLogarithmic":
        return FloatDistribution(1 - high, 1 - low, log=True)
    return FloatDistribution(low, high, log=log)


def _told(
    space: tuple[Parameter, ...], distributions: dict[str, Any], observation: Observation
) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState, create_trial

    score, epoch = observation.score, observation.stopped_at
    common: dict[str, Any] = {
        "params": {p.name: _to_sampler(p, observation.point[p.name]) for p in space},
        "distributions": distributions,
    }
    if score is None:
        return create_trial(state=TrialState.RUNNING, **common)
    if epoch is not None:  # ranked behind every whole run, and among its like by how far it came
        common["intermediate_values"] = {epoch: score}
        return create_trial(state=TrialState.PRUNED, **common)
    return create_trial(value=score, **common)


def _to_sampler(parameter: Parameter, value: Value) -> Value:
    return 1 - float(value) if parameter.scale == "ReverseLogarithmic" else value


def _from_sampler(parameter: Parameter, value: Value) -> Value:
    if parameter.choices or parameter.integer:
        return value
    number = 1 - float(value) if parameter.scale == "ReverseLogarithmic" else float(value)
    return min(max(number, parameter.low), parameter.high)


def _key(space: tuple[Parameter, ...], point: Point) -> tuple[str, ...]:
    return tuple(parameter.text(point[parameter.name]) for parameter in space)


def _seed(*parts: int) -> int:
    """A seed for each suggestion, from 0 to 2^32 - 1."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big")
