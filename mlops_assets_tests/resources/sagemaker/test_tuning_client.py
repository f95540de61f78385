"""A search as a Dagster step: once, with what it cost, stopped with its run."""

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.hosting.cost import prices
from mlops_assets.resources.sagemaker.jobs.attempts import Wanted
from mlops_assets.resources.sagemaker.jobs.driver import Driver
from mlops_assets.resources.sagemaker.jobs.kinds import TUNING
from mlops_assets.resources.sagemaker.requests import Placement, TrainingSpec
from mlops_assets.resources.sagemaker.source import upload_source
from mlops_assets.resources.sagemaker.tuning import SageMakerTuningClient
from mlops_assets.resources.sagemaker.tuning_request import tuning_request
from mlops_assets.tuning import Integer, Tuning
from mlops_assets_tests.resources.sagemaker.conftest import BUCKET, Ended, Lab, eventually

pytestmark = pytest.mark.integration
SEARCH = Tuning(ranges={"depth": Integer(2, 8)}, metric="auc", goal="maximize", jobs=2)
SCORE = """
import json
depth = int(json.loads(os.environ["SM_HPS"])["depth"])
print(f"auc={depth / 10};", flush=True)
"""
METRICS = {"auc": "auc=([0-9.]+);"}


def search(lab: Lab, spec: TrainingSpec, instance: dg.DagsterInstance) -> Ended:
    client = SageMakerTuningClient(lab.sagemaker, lab.objects, BUCKET, poll_interval=0.1)

    @dg.asset
    def model(context: dg.AssetExecutionContext):
        found = client.run_spec(context=context, spec=spec, tuning=SEARCH)
        return found.get_materialize_result()

    return Ended(dg.materialize([model], instance=instance, raise_on_error=False))


def test_a_search_runs_once_on_what_is_to_be_had_and_shows_its_cost(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """A retry that searches again pays for all of its training jobs again."""
    spec = lab.spec(
        "depths",
        SCORE,
        metric_definitions=METRICS,
        alternates=("ml.c5.xlarge",),
        tags={"mlops-fault:capacity-error": "0 instance=ml.m5"},
    )
    first, second = (search(lab, spec, instance) for _ in range(2))
    assert (first.metadata["adopted"], second.metadata["adopted"]) == (False, True)
    assert first.metadata["job_name"] == second.metadata["job_name"]
    assert first.metadata["training_jobs"] == 2
    client = lab.sagemaker.client()
    jobs = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=first.metadata["job_name"]
    )["TrainingJobSummaries"]
    described = [client.describe_training_job(TrainingJobName=j["TrainingJobName"]) for j in jobs]
    assert {job["ResourceConfig"]["InstanceType"] for job in described} == {"ml.c5.xlarge"}
    seconds = sum(job["BillableTimeInSeconds"] for job in described)
    assert first.metadata["billable_seconds"] == seconds
    usd = seconds * prices().instances["ml.c5.xlarge"].usd / 3600
    assert first.metadata["cost_usd"] == pytest.approx(usd, abs=1e-5)
    best = max(float(job["HyperParameters"]["depth"]) for job in described)
    assert float(first.metadata["hyperparameters"]["depth"]) == best
    assert first.metadata["best_value"] == pytest.approx(best / 10)


def test_a_search_without_any_result_says_where_to_look(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    failed = search(lab, lab.spec("silent", "", metric_definitions=METRICS), instance)
    assert not failed.success
    said = str(failed.failure.error) + str(failed.failure.error.cause or "")
    assert "auc" in said or "metric" in said


def test_an_interrupted_run_stops_the_search_and_its_training_jobs(lab: Lab) -> None:
    """Training jobs that go on after their search was given up are paid for by nobody's wish."""
    spec = lab.spec("endless", "import time; time.sleep(600)", metric_definitions=METRICS)
    code = upload_source(lab.objects(), BUCKET, spec.source)
    request = tuning_request(spec, SEARCH, Placement(), bucket=BUCKET, code_uri=code)
    driver = Driver(lab.sagemaker.client, TUNING, 0.1)
    name = request["HyperParameterTuningJobName"]
    assert not driver.start(Wanted(request, "hash"))
    eventually(lambda: lab.jobs(name), "its training jobs")
    assert "Stopped" in driver.terminate(name)
    assert {job["TrainingJobStatus"] for job in lab.jobs(name)} <= {"Stopped"}
