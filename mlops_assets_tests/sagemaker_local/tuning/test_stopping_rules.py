"""Early stopping, Hyperband and completion criteria: pure rules on scores."""

from __future__ import annotations

import pytest

from mlops_assets.sagemaker_local.tuning.stopping_rules import (
    CONVERGED_AFTER,
    Criteria,
    Hyperband,
    jobs_without_improvement,
    promoted,
    standardized,
    worse_than_median,
)


def test_the_median_rule_compares_with_running_averages_up_to_the_same_epoch():
    """Against final values every job in its first epochs would look hopeless."""
    previous = [[10.0, 4.0, 1.0], [8.0, 2.0, 1.0], [12.0, 6.0, 1.0]]
    assert not worse_than_median([9.0], previous)  # the averages at epoch 1: 10, 8, 12
    assert worse_than_median([11.0], previous)
    assert not worse_than_median([11.0, 7.0], previous)  # at epoch 2: 7, 5, 9
    assert worse_than_median([11.0, 7.1], previous)


def test_nothing_is_stopped_without_a_value_or_without_predecessors():
    """The first job has nothing to be compared with, and a silent one says nothing."""
    assert not worse_than_median([], [[1.0]])
    assert not worse_than_median([9.0], [])
    assert not worse_than_median([9.0], [[]])


@pytest.mark.parametrize(
    ("low", "high", "rungs"),
    [
        (1, 27, [[1, 3, 9], [3, 9], [9], []]),
        (1, 1, [[]]),
        (2, 20, [[2, 6, 18], [6, 18], [18]]),
        (5, 9, [[5]]),
    ],
)
def test_rungs_are_a_geometric_series_below_the_most_resources(low, high, rungs):
    """A rung at MaxResource would stop jobs that are over anyway."""
    hyperband = Hyperband(low, high)
    assert [hyperband.rungs(bracket) for bracket in range(hyperband.brackets)] == rungs


def test_every_bracket_gets_jobs_and_the_first_gets_most():
    """Without the last bracket a metric that starts slowly would lose every time."""
    hyperband = Hyperband(1, 27)
    brackets = [hyperband.bracket(number) for number in range(98)]
    assert [brackets.count(bracket) for bracket in range(4)] == [54, 24, 12, 8]
    assert brackets[:27] == [0] * 27


def test_of_three_at_a_rung_one_goes_on():
    """Successive halving with a factor of three; the first to come passes, it may be the best."""
    assert promoted(5.0, [])
    assert not promoted(5.0, [4.0])
    assert promoted(3.0, [5.0, 4.0])
    ranked = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert promoted(2.5, ranked)
    assert not promoted(3.5, ranked)


def test_an_improvement_by_less_than_one_percent_is_none():
    """The service's definition; also for negative scores, which maximized metrics become."""
    assert jobs_without_improvement([]) == 0
    assert jobs_without_improvement([10.0, 9.95, 9.92]) == 2
    assert jobs_without_improvement([10.0, 9.95, 9.0]) == 0
    assert jobs_without_improvement([-0.90, -0.905, -0.95]) == 0
    assert jobs_without_improvement([-0.90, -0.905]) == 1
    assert jobs_without_improvement([0.0, -0.1]) == 0


def test_completion_criteria_are_met_when_they_say_and_not_before():
    """A tuning job that ends too soon has found less, one that ends late costs more."""
    falling = [float(value) for value in range(20, 0, -1)]
    flat = [1.0] * (CONVERGED_AFTER + 1)
    assert Criteria().met(flat) is None
    assert Criteria(target=0.5).met(falling) is None
    assert "target" in (Criteria(target=1.0).met(falling) or "")
    assert Criteria(not_improving=3).met([*falling, 1.0, 2.0]) is None
    assert "3 training jobs" in (Criteria(not_improving=3).met([*falling, 1.0, 2.0, 3.0]) or "")
    assert Criteria(on_convergence=True).met(flat[:-1]) is None
    assert "converged" in (Criteria(on_convergence=True).met(flat) or "")


def test_scores_of_other_data_are_made_comparable():
    """An error in cents would outweigh one in euros a hundredfold."""
    assert standardized([100.0, 300.0]) == standardized([1.0, 3.0])
    assert standardized([5.0, 5.0]) == [0.0, 0.0]
    assert standardized([]) == []
