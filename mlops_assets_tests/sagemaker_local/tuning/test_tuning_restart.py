"""The server is killed in the middle of a search: it goes on, or fails what it cannot continue."""

from __future__ import annotations

from contextlib import closing

import pytest

from mlops_assets.sagemaker_local.store import Store
from mlops_assets_tests.sagemaker_local.api import eventually
from mlops_assets_tests.sagemaker_local.tuning.tuning_api import (
    QUADRATIC,
    WAITS,
    describe,
    over,
    request,
    training_jobs,
)

pytestmark = pytest.mark.integration
SLOW = QUADRATIC + "\nimport time\ntime.sleep(0.3)\n"
DEAF = WAITS.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


def age(api, name: str, seconds: float) -> None:
    """Let a tuning job of a server that does not run have begun that much earlier."""
    with closing(Store(api.home)) as store:
        kind = "hyper-parameter-tuning-job"
        created = store.get(kind, name)["CreationTime"]
        store.update(kind, name, CreationTime=created - seconds)


def test_searches_go_on_after_the_server_was_killed(new_api):
    """A night's search must not be lost to a reboot, nor tell of jobs that were not run; and a
    search whose stop was accepted starts no job after it."""
    api = new_api("--job-stop-grace", "60", "--job-workers", "3")
    api.sm.create_hyper_parameter_tuning_job(**request(api, "deaf", DEAF, jobs=5, parallel=1))
    eventually(lambda: training_jobs(api, "deaf"))
    api.wait_for_line(training_jobs(api, "deaf")[0]["TrainingJobName"], "loss=5;")
    api.sm.create_hyper_parameter_tuning_job(**request(api, "killed", SLOW, jobs=4))
    eventually(lambda: describe(api, "killed")["ObjectiveStatusCounters"]["Succeeded"] >= 1)
    api.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="deaf")
    assert describe(api, "deaf")["HyperParameterTuningJobStatus"] == "Stopping"
    limited = request(api, "limited", WAITS, parallel=1, jobs=None)
    limits = limited["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxRuntimeInSeconds"] = 3600
    api.sm.create_hyper_parameter_tuning_job(**limited)
    before = {one["TrainingJobName"]: one for one in training_jobs(api, "killed")}
    api.end(kill=True)
    age(api, "limited", 4000.0)
    api.start()
    found = over(api, "killed")
    after = {one["TrainingJobName"]: one for one in training_jobs(api, "killed")}
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert len(after) == 4
    for name, one in before.items():
        assert after[name]["TunedHyperParameters"] == one["TunedHyperParameters"]
        if one["ObjectiveStatus"] == "Succeeded":
            assert after[name] == one
    counted = found["TrainingJobStatusCounters"]
    assert counted["Completed"] + counted["RetryableError"] == 4
    for one in after.values():
        job = api.describe(one["TrainingJobName"])
        assert job["TrainingJobStatus"] == one["TrainingJobStatus"]
        assert (one["TrainingJobStatus"] == "Failed") == ("FailureReason" in one)
    found = over(api, "limited")
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["ConsumedResources"]["RuntimeInSeconds"] > 3600
    assert describe(api, "limited")["TrainingJobStatusCounters"]["InProgress"] == 0
    assert over(api, "deaf")["HyperParameterTuningJobStatus"] == "Stopped"
    assert len(training_jobs(api, "deaf")) == 1
