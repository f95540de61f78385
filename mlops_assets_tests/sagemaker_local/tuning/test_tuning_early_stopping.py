"""Training jobs that fall behind are stopped while they run, by the median rule or by Hyperband."""

from __future__ import annotations

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.tuning.tuning_api import (
    EPOCHS,
    over,
    request,
    training_jobs,
    tune,
    value,
)

pytestmark = pytest.mark.integration
# One after the other: a good one, a bad one, a better one.
LOSSES = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["2", "9", "1"]}]}


def epochs(api: LocalApi, job: dict) -> int:
    return api.lines(job["TrainingJobName"]).count(
        f"loss={float(job['TunedHyperParameters']['x'])};"
    )


def test_a_bad_job_is_stopped_early_and_only_where_that_was_asked_for(api: LocalApi):
    """Early stopping that never stops costs, one that cannot be switched off loses results."""
    for stopping in ("Auto", "Off"):
        asked = request(
            api,
            f"early-{stopping.lower()}",
            EPOCHS,
            jobs=None,
            parallel=1,
            static={"epochs": "4", "pause": "0.4"},
            Strategy="Grid",
            ParameterRanges=LOSSES,
            TrainingJobEarlyStoppingType=stopping,
        )
        api.sm.create_hyper_parameter_tuning_job(**asked)
    for stopping in ("Auto", "Off"):
        found = over(api, f"early-{stopping.lower()}")
        assert found["HyperParameterTuningJobStatus"] == "Completed"
        good, bad, better = training_jobs(api, f"early-{stopping.lower()}")
        assert good["TrainingJobStatus"] == better["TrainingJobStatus"] == "Completed", good.get(
            "FailureReason"
        )
        assert (epochs(api, good), epochs(api, better)) == (4, 4)
        assert value(bad) == 9.0
        assert bad["ObjectiveStatus"] == "Succeeded"
        early = stopping == "Auto"
        assert found["TrainingJobStatusCounters"]["Stopped"] == int(early)
        assert bad["TrainingJobStatus"] == ("Stopped" if early else "Completed")
        assert (epochs(api, bad) < 4) == early
        assert found["BestTrainingJob"]["TunedHyperParameters"]["x"] == "1"


def test_hyperband_halves_at_its_rungs_and_stops_at_the_most_resources(api: LocalApi):
    """Jobs that would train forever end at MaxResource, the bad ones at their first rung."""
    ranges = {"IntegerParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "50"}]}
    found = tune(
        api,
        "hyperband",
        EPOCHS,
        jobs=2,
        parallel=1,
        static={"epochs": "600", "pause": "0.2"},
        RandomSeed=0,
        Strategy="Hyperband",
        ParameterRanges=ranges,
        StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 12}},
    )
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Stopped"] == 2
    first, second = training_jobs(api, "hyperband")
    assert value(first) < value(second), "another RandomSeed is needed"
    assert 12 <= epochs(api, first) < 60, "with nothing to compare it with it goes to the end"
    assert epochs(api, second) < 12
