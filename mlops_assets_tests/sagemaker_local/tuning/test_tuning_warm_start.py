"""A search that starts from earlier ones: what it learns of them, and which may be parents."""

from __future__ import annotations

import statistics

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local.tuning.search_space import Parameter
from mlops_assets.sagemaker_local.tuning.suggestions import STARTUP, Search, suggest
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.tuning.tuning_api import (
    WAITS,
    continuous,
    definition,
    over,
    request,
    training_jobs,
    tune,
    value,
)

pytestmark = pytest.mark.integration
BEST = 0.3


def warm(api: LocalApi, name: str, kind: str, *parents: str, **more) -> dict:
    """A request with parents; the script and data are the first parent's."""
    asked = request(api, name, **more)
    asked["TrainingJobDefinition"] = definition(
        api, open_script(api, parents[0]), parents[0], **more.get("static", {})
    )
    asked["WarmStartConfig"] = {
        "WarmStartType": kind,
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": p} for p in parents],
    }
    return asked


def open_script(api: LocalApi, key: str) -> str:
    return api.objects.read(f"s3://code/{key}/train.py").decode()


@pytest.fixture(scope="module")
def parent(api: LocalApi) -> str:
    """A search that knows where the best point is: more jobs than the sampler's random start."""
    values = [f"{number / 10 + 0.005}" for number in range(STARTUP + 2)]
    grid = {"CategoricalParameterRanges": [{"Name": "x", "Values": values}]}
    found = tune(api, "parent", jobs=None, Strategy="Grid", ParameterRanges=grid)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    return "parent"


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_a_warm_start_searches_where_its_parents_were_good(api: LocalApi, parent: str, kind):
    """Told nothing, its first jobs would be random ones, as those of any new search are."""
    name = f"child-{kind[:4].lower()}"
    asked = warm(api, name, kind, parent, Strategy="Bayesian", parallel=1, jobs=4)
    api.sm.create_hyper_parameter_tuning_job(**asked)
    found = over(api, name)
    warm_ones = [float(one["TunedHyperParameters"]["x"]) for one in training_jobs(api, name)]
    alone = Search((Parameter("x", 0, 1),), "Bayesian", 1)
    cold_ones = [float(suggest(alone, number, [])["x"]) for number in range(4)]
    away, cold = (statistics.fmean(abs(x - BEST) for x in xs) for xs in (warm_ones, cold_ones))
    assert away < cold / 2
    if kind == "TransferLearning":
        assert "OverallBestTrainingJob" not in found
        return
    overall = found["OverallBestTrainingJob"]
    known = [*training_jobs(api, name), *training_jobs(api, parent)]
    assert value(overall) == min(map(value, known))
    assert overall["TuningJobName"] in (parent, name)


def test_what_cannot_be_a_parent_is_refused(api: LocalApi, parent: str):
    """Results of another metric or of other hyperparameters would mislead the search."""

    def refused(words: str, asked: dict) -> None:
        with pytest.raises(ClientError, match=words):
            api.sm.create_hyper_parameter_tuning_job(**asked)

    identical = "IdenticalDataAndAlgorithm"
    asked = warm(api, "refused", identical, parent)
    asked["WarmStartConfig"]["ParentHyperParameterTuningJobs"] *= 2
    refused("name a tuning job twice", asked)
    asked = warm(api, "refused", identical, parent)
    named = [{"HyperParameterTuningJobName": "nobody"}]
    asked["WarmStartConfig"]["ParentHyperParameterTuningJobs"] = named
    refused("can't find a tuning job with name: nobody", asked)
    asked = warm(api, "refused", identical, parent, static={"new": "1"})
    refused("total number of static plus tunable", asked)
    asked = warm(api, "refused", identical, parent)
    wanted = {"Type": "Maximize", "MetricName": "loss"}
    asked["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = wanted
    refused("objective metric must be the same", asked)
    asked = warm(api, "refused", identical, parent)
    asked["TrainingJobDefinition"]["InputDataConfig"][0]["ChannelName"] = "other"
    refused("its InputDataConfig must be the same", asked)
    api.sm.create_hyper_parameter_tuning_job(**request(api, "running", WAITS, jobs=1, parallel=1))
    refused("status InProgress", warm(api, "refused", identical, "running"))
    api.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="running")
    over(api, "running")


def test_a_static_hyperparameter_may_become_a_tuned_one(api: LocalApi):
    """As the service allows it; the parents' jobs count with the value that they all had."""
    tune(api, "static", jobs=1, parallel=1, static={"y": "0.5"})
    ranges = {"ContinuousParameterRanges": [continuous("x", "0", "1"), continuous("y", "0", "1")]}
    kind = "TransferLearning"
    asked = warm(api, "tuned", kind, "static", jobs=1, parallel=1, ParameterRanges=ranges)
    api.sm.create_hyper_parameter_tuning_job(**asked)
    assert over(api, "tuned")["HyperParameterTuningJobStatus"] == "Completed"
