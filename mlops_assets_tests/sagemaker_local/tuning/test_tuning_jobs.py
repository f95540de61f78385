"""Tuning jobs: real training jobs with the hyperparameters that were chosen, and what is told."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.test_reply_shapes import raw
from mlops_assets_tests.sagemaker_local.training.job_parts import fault_tags
from mlops_assets_tests.sagemaker_local.tuning.tuning_api import (
    FAILS,
    QUADRATIC,
    SILENT,
    WAITS,
    continuous,
    definition,
    describe,
    over,
    request,
    status,
    training_jobs,
    tune,
    value,
)

pytestmark = pytest.mark.integration


def test_a_search_runs_real_training_jobs_and_names_the_best(api: LocalApi):
    """The whole of it: what is created, with which values, tags and names, and what is counted."""
    asked = request(api, "search", jobs=3, static={"fixed": "7"}, Strategy="Bayesian")
    asked["Tags"] = [{"Key": "team", "Value": "parcels"}]
    created = api.sm.create_hyper_parameter_tuning_job(**asked)
    found = over(api, "search")
    assert found["HyperParameterTuningJobArn"] == created["HyperParameterTuningJobArn"]
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 3
    assert found["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    shown = training_jobs(api, "search")
    assert [one["TrainingJobName"][:11] for one in shown] == [f"search-00{n}-" for n in range(1, 4)]
    for one in shown:
        job = api.describe(one["TrainingJobName"])
        x = one["TunedHyperParameters"]["x"]
        assert job["HyperParameters"] == {
            "x": x,
            "fixed": "7",
            "_tuning_objective_metric": "loss",
        }
        assert job["TuningJobArn"] == found["HyperParameterTuningJobArn"]
        assert value(one) == pytest.approx(1 + (float(x) - 0.3) ** 2)
        tags = api.sm.list_tags(ResourceArn=one["TrainingJobArn"])["Tags"]
        assert tags == [{"Key": "team", "Value": "parcels"}]
    best = found["BestTrainingJob"]
    assert value(best) == min(map(value, shown))
    by_value = training_jobs(api, "search", SortBy="FinalObjectiveMetricValue")
    assert by_value[0]["TrainingJobName"] == best["TrainingJobName"]
    raw(api, "sagemaker", "DescribeHyperParameterTuningJob", HyperParameterTuningJobName="search")
    raw(api, "sagemaker", "ListHyperParameterTuningJobs", StatusEquals="Completed")
    listed = "ListTrainingJobsForHyperParameterTuningJob"
    raw(api, "sagemaker", listed, HyperParameterTuningJobName="search")


def test_the_same_seed_tries_the_same_points_and_a_grid_all(api: LocalApi):
    """RandomSeed is what makes a search repeatable; a grid needs no number of jobs."""
    tried = []
    for name in ("seed-a", "seed-b"):
        api.sm.create_hyper_parameter_tuning_job(**request(api, name, parallel=1, jobs=2))
    for name in ("seed-a", "seed-b"):
        over(api, name)
        tried.append([one["TunedHyperParameters"] for one in training_jobs(api, name)])
    assert tried[0] == tried[1]
    assert len({point["x"] for point in tried[0]}) == 2
    values = ["0.1", "0.3", "0.9"]
    grid = {"CategoricalParameterRanges": [{"Name": "x", "Values": values}]}
    found = tune(api, "grid", jobs=None, Strategy="Grid", ParameterRanges=grid)
    shown = found["HyperParameterTuningJobConfig"]  # the SDK's attach() reads these
    assert shown["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 3
    assert (
        shown["ParameterRanges"]
        == {
            "IntegerParameterRanges": [],
            "ContinuousParameterRanges": [],
        }
        | grid
    )
    assert shown["TrainingJobEarlyStoppingType"] == "Off"
    static = found["TrainingJobDefinition"]["StaticHyperParameters"]
    assert static == {"_tuning_objective_metric": "loss"}
    assert [one["TunedHyperParameters"]["x"] for one in training_jobs(api, "grid")] == values
    assert found["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.3"}


def test_the_target_ends_the_search_and_maximizing_turns_it_around(api: LocalApi):
    """A search that goes on after the target was met costs jobs that nobody asked for."""
    objective = {"Type": "Maximize", "MetricName": "loss"}
    found = tune(
        api,
        "target",
        jobs=50,
        HyperParameterTuningJobObjective=objective,
        TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 1.05},
    )
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    shown = [one for one in training_jobs(api, "target") if one["ObjectiveStatus"] == "Succeeded"]
    assert value(found["BestTrainingJob"]) == max(map(value, shown)) >= 1.05
    assert sum(found["TrainingJobStatusCounters"].values()) < 20


@pytest.mark.parametrize(
    ("name", "script", "words", "counted"),
    [
        ("fails", FAILS, "No training job succeeded after 2 attempts", "NonRetryableError"),
        ("silent", SILENT, "No objective metrics found after running 2", "Completed"),
    ],
)
def test_a_search_without_any_result_has_failed_and_says_why(api, name, script, words, counted):
    """Completed without a best job sends its reader looking for one."""
    found = tune(api, name, script, jobs=2)
    assert found["HyperParameterTuningJobStatus"] == "Failed"
    assert words in found["FailureReason"]
    assert found["TrainingJobStatusCounters"][counted] == 2
    assert found["ObjectiveStatusCounters"]["Failed"] == 2
    assert "BestTrainingJob" not in found
    assert training_jobs(api, name, SortBy="FinalObjectiveMetricValue") == []


def test_one_failure_of_several_does_not_fail_the_search(api: LocalApi):
    """A point at which training diverges is an answer, too."""
    script = QUADRATIC + "\nif given['kind'] == 'bad':\n    raise SystemExit('diverged')\n"
    kinds = {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["good", "bad"]}]}
    found = tune(
        api, "mixed", script, jobs=None, static={"x": "0"}, Strategy="Grid", ParameterRanges=kinds
    )
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "good"}
    good, bad = training_jobs(api, "mixed")
    assert (good["ObjectiveStatus"], bad["ObjectiveStatus"]) == ("Succeeded", "Failed")
    assert "diverged" not in good.get("FailureReason", "")
    assert bad["FailureReason"].startswith("AlgorithmError")


def test_stop_stops_the_training_jobs_and_delete_leaves_them(api: LocalApi):
    """A stopped search whose jobs run on is paid for until somebody notices."""
    api.sm.create_hyper_parameter_tuning_job(**request(api, "stopped", WAITS, jobs=9))
    with pytest.raises(ClientError, match="stop it before it is deleted"):
        api.sm.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    eventually(lambda: len(training_jobs(api, "stopped")) == 2)
    for one in training_jobs(api, "stopped"):
        api.wait_for_line(one["TrainingJobName"], "loss=5;")
    assert describe(api, "stopped")["TrainingJobStatusCounters"]["InProgress"] == 2
    api.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    assert status(api, "stopped") in ("Stopping", "Stopped")
    found = over(api, "stopped")
    assert found["HyperParameterTuningJobStatus"] == "Stopped"
    assert found["TrainingJobStatusCounters"]["Stopped"] == 2
    shown = training_jobs(api, "stopped")
    assert [one["TrainingJobStatus"] for one in shown] == ["Stopped", "Stopped"]
    with pytest.raises(ClientError, match="is in status Stopped"):
        api.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    api.sm.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    with pytest.raises(ClientError, match="can't find a tuning job") as caught:
        describe(api, "stopped")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
    assert api.describe(shown[0]["TrainingJobName"])["TrainingJobStatus"] == "Stopped"


def test_several_definitions_take_turns_and_the_best_of_all_wins(api: LocalApi):
    """Two algorithms in one search; each has ranges and an objective of its own."""
    several = []
    for name, low in (("near", "0.2"), ("far", "0.8")):
        objective = {"Type": "Minimize", "MetricName": "loss"}
        ranges = {"ContinuousParameterRanges": [continuous("x", low, str(float(low) + 0.2))]}
        own = {"DefinitionName": name, "TuningObjective": objective, "HyperParameterRanges": ranges}
        several.append(definition(api, QUADRATIC, "several") | own)
    asked = request(api, "several", jobs=2)
    del asked["TrainingJobDefinition"]
    asked["TrainingJobDefinitions"] = several
    for member in ("ParameterRanges", "HyperParameterTuningJobObjective"):
        del asked["HyperParameterTuningJobConfig"][member]
    api.sm.create_hyper_parameter_tuning_job(**asked)
    found = over(api, "several")
    shown = training_jobs(api, "several")
    assert [one["TrainingJobDefinitionName"] for one in shown] == ["near", "far"]
    assert found["BestTrainingJob"]["TrainingJobDefinitionName"] == "near"


def test_checkpoints_of_one_point_are_not_another_points(api: LocalApi):
    """A job that resumes from other hyperparameters' checkpoint reports a loss that is not its."""
    script = QUADRATIC + "\nopen('/opt/ml/checkpoints/x', 'w').write(given['x'])\n"
    asked = request(api, "checkpoint", script, jobs=2)
    place = {"S3Uri": "s3://data/tuned/checkpoints"}
    asked["TrainingJobDefinition"]["CheckpointConfig"] = place
    api.sm.create_hyper_parameter_tuning_job(**asked)
    over(api, "checkpoint")
    for one in training_jobs(api, "checkpoint"):
        uri = f"{place['S3Uri']}/{one['TrainingJobName']}/x"
        assert api.objects.read(uri).decode() == one["TunedHyperParameters"]["x"]


def test_autotune_searches_around_its_hints(api: LocalApi):
    """A user who gives no ranges must not get a search of one point."""
    ranges = {"AutoParameters": [{"Name": "x", "ValueHint": "0.4"}]}
    asked = request(api, "autotune", jobs=2, ParameterRanges=ranges)
    api.sm.create_hyper_parameter_tuning_job(**asked, Autotune={"Mode": "Enabled"})
    found = over(api, "autotune")
    assert (found["HyperParameterTuningJobStatus"], found["Autotune"]["Mode"]) == (
        "Completed",
        "Enabled",
    )
    tried = [float(one["TunedHyperParameters"]["x"]) for one in training_jobs(api, "autotune")]
    assert len(set(tried)) == 2
    assert all(0.04 <= x <= 1 for x in tried)


def test_pages_and_filters_of_the_lists(api: LocalApi):
    """A client that pages through a list must see each job once."""
    api.sm.create_hyper_parameter_tuning_job(**request(api, "paged", jobs=3, parallel=3))
    over(api, "paged")
    pages = api.sm.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName="paged", PaginationConfig={"PageSize": 2}
    )
    names = [one["TrainingJobName"] for page in pages for one in page["TrainingJobSummaries"]]
    assert len(names) == len(set(names)) == 3
    assert training_jobs(api, "paged", StatusEquals="Failed") == []
    listed = api.sm.list_hyper_parameter_tuning_jobs(NameContains="PAGE")
    (only,) = listed["HyperParameterTuningJobSummaries"]
    assert (only["Strategy"], only["TrainingJobStatusCounters"]["Completed"]) == ("Random", 3)
    limits = {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 3}
    assert only["ResourceLimits"] == limits


def test_a_search_takes_the_first_instances_that_there_is_room_for(api: LocalApi):
    """Prioritized: without it a search fails with its first type, whatever else was allowed."""
    wanted = request(api, "two-types", jobs=2)
    definition = wanted["TrainingJobDefinition"]
    sizes = {"InstanceCount": 1, "VolumeSizeInGB": 1}
    del definition["ResourceConfig"]
    definition["HyperParameterTuningResourceConfig"] = {
        "AllocationStrategy": "Prioritized",
        "InstanceConfigs": [
            {"InstanceType": each, **sizes} for each in ("ml.g5.xlarge", "ml.g6.xlarge")
        ],
    }
    tags = fault_tags(capacity_error="0 instance=ml.g5")
    api.sm.create_hyper_parameter_tuning_job(**wanted, Tags=tags)
    assert over(api, "two-types")["HyperParameterTuningJobStatus"] == "Completed"
    ran = [
        api.sm.describe_training_job(TrainingJobName=job["TrainingJobName"])
        for job in training_jobs(api, "two-types")
    ]
    assert [job["ResourceConfig"]["InstanceType"] for job in ran] == ["ml.g6.xlarge"] * 2
