"""The guard before each job: what breaks a limit never reaches SageMaker, whoever asks for it.

Negative controls: without the limit the same request goes through.
"""

import dataclasses
import datetime as dt
import io
import json
import math
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.awsrequest import AWSResponse

from mlops_assets.definitions import build_resources
from mlops_assets.limits import Limits
from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.jobs.ask import ask_of
from mlops_assets.resources.sagemaker.jobs.guard import Guard, LimitExceeded
from mlops_assets.resources.sagemaker.jobs.ledger import Entry, Ledger
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.resources.sagemaker.conftest import Lab, train

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Sagemaker:
    """boto3's own client, whose requests end at the wire: those that got there, by name."""

    def __init__(self, guard: Guard) -> None:
        self.client = boto3.client(
            "sagemaker", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.asked: list[str] = []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.client.meta.events.register("before-send.sagemaker.*", self._answer)
        guard.watch(self.client)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        operation = request.headers["X-Amz-Target"].decode().partition(".")[2]
        asked = json.loads(request.body)
        if operation.startswith("Create"):
            self.asked.append(operation)
            body: dict[str, Any] = {"TrainingJobArn": "arn:aws:sagemaker:::training-job/x"}
            status = 200
        else:
            job = self.jobs.get(asked["TrainingJobName"])
            status = 200 if job else 400
            missing = {"__type": "ValidationException", "message": "Requested resource not found."}
            body = job or missing
        raw = io.BytesIO(json.dumps(body).encode())
        raw.stream = lambda *_, **__: iter([raw.getvalue()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, status, {}, raw)

    def train(self, name: str = "job", *, hours: float = 1, count: int = 1, pipeline: str = "p",
              instance_type: str = "ml.m5.xlarge") -> None:  # fmt: skip
        self.client.create_training_job(
            TrainingJobName=name,
            RoleArn="arn:aws:iam::000000000000:role/jobs",
            AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": "s3://b/o"},
            ResourceConfig={"InstanceType": instance_type, "InstanceCount": count,
                            "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": int(3600 * hours)},
            Tags=[{"Key": "mlops:pipeline", "Value": pipeline}],
        )  # fmt: skip


ASK: dict[str, Any] = {"instance_type": "ml.p4d.24xlarge", "count": 4, "hours": 20}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"instance_types": ("ml.m5.*", "ml.c5.*")},
         "ml.p4d.24xlarge, and ml.m5.*, ml.c5.* are allowed (MLOPS_INSTANCE_TYPES)"),
        ({"instances": 3}, "4 instances, and 3 are allowed (MLOPS_MAX_INSTANCES)"),
        ({"hours": 79.5},
         "up to 80 instance-hours, and 79.5 are allowed (MLOPS_MAX_INSTANCE_HOURS)"),
    ],
)  # fmt: skip
def test_what_breaks_a_limit_is_refused_before_it_is_asked(limits, words):
    """A typo in instance_count that is paid for over a weekend."""
    guarded = Sagemaker(Guard(Limits(**limits)))
    with pytest.raises(LimitExceeded) as refused:
        guarded.train(**ASK)
    assert guarded.asked == []
    assert words in str(refused.value.description)
    assert "Nothing was started" in str(refused.value.description)
    assert refused.value.allow_retries is False
    free = Sagemaker(Guard())
    free.train(**ASK)
    assert free.asked == ["CreateTrainingJob"], "negative control: it was the limit"


def test_a_declaration_narrows_what_the_platform_allows_and_never_widens_it():
    guard = Guard(Limits(instances=8), {"p": Limits(instances=2), "q": Limits(instances=99)})
    sagemaker = Sagemaker(guard)
    with pytest.raises(LimitExceeded, match=r"limits=\{instances\} of p's declaration"):
        sagemaker.train(count=4)
    sagemaker.train(count=4, pipeline="other")
    with pytest.raises(LimitExceeded, match="MLOPS_MAX_INSTANCES"):
        sagemaker.train(count=9, pipeline="q")
    assert sagemaker.asked == ["CreateTrainingJob"]


def budgeted(tmp_path: Path, usd: float) -> Guard:
    return Guard(
        Limits(usd_per_day=usd), ledger="s3://lake/budget", objects=f"dir:{tmp_path.absolute()}"
    )


def test_a_days_jobs_stay_within_the_budget(tmp_path):
    """ml.m5.xlarge is .23 USD an hour: two of the three fit, each pipeline by itself."""
    sagemaker = Sagemaker(budgeted(tmp_path, 0.5))
    for name in ("a", "b"):
        sagemaker.train(name)
        sagemaker.jobs[name] = {"TrainingJobName": name, "TrainingJobStatus": "InProgress"}
    with pytest.raises(LimitExceeded, match=r"come to 0\.69 USD, and 0\.50 USD a day are allowed"):
        sagemaker.train("c")
    sagemaker.train("a")  # the same job, asked for again, costs nothing more
    sagemaker.train("c", pipeline="other")
    # Once it has ended, what it cost counts, and not what it might have.
    sagemaker.jobs["a"] = {
        "TrainingJobName": "a", "TrainingJobStatus": "Completed", "BillableTimeInSeconds": 36,
        "TrainingTimeInSeconds": 36,
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    }  # fmt: skip
    sagemaker.train("c")
    assert len(sagemaker.asked) == 5


def test_what_has_no_price_is_no_budgets_blind_spot(tmp_path):
    with pytest.raises(LimitExceeded, match=r"ml\.new\.large, of which no price is known"):
        Sagemaker(budgeted(tmp_path, 100)).train(instance_type="ml.new.large")


def test_of_two_at_once_neither_overlooks_the_other(tmp_path):
    """Counted first and put aside later, both would find room."""
    ledger = Ledger(open_objects(f"dir:{tmp_path}"), "s3://lake/budget")
    both = [Entry(operation="CreateTrainingJob", job=j, at=NOW, usd=1.0) for j in ("a", "b")]
    for entry in both:
        assert ledger.put_aside("p", entry) is None
    assert ledger.spent("p", NOW, lambda _: None) == 2.0
    ledger.give_back("p", both[0], None)
    assert ledger.spent("p", NOW, lambda _: None) == 1.0


def test_what_sagemaker_refused_is_given_back_and_yesterday_is_another_day(tmp_path):
    ledger = Ledger(open_objects(f"dir:{tmp_path}"), "s3://lake/budget")
    ledger.put_aside("p", Entry(operation="CreateTrainingJob", job="a", at=NOW, usd=1.0))
    soon, later = NOW + dt.timedelta(minutes=1), NOW + dt.timedelta(minutes=11)
    assert ledger.spent("p", soon, lambda _: math.nan) == 1.0, "it may only just be asked for"
    assert ledger.spent("p", later, lambda _: math.nan) == 0.0
    assert ledger.spent("p", later, lambda _: 5.0) == 0.0, "settled stays settled"
    assert ledger.spent("p", NOW + dt.timedelta(days=1), lambda _: None) == 0.0


@pytest.mark.parametrize(
    ("operation", "params", "instances", "hours"),
    [
        ("CreateProcessingJob",
         {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge",
                                                    "InstanceCount": 2}},
          "StoppingCondition": {"MaxRuntimeInSeconds": 1800}}, 2, 1.0),
        # SageMaker's default is a day.
        ("CreateProcessingJob",
         {"ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.xlarge",
                                                    "InstanceCount": 2}}}, 2, 48.0),
        ("CreateTransformJob",
         {"TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 3}}, 3, None),
        ("CreateTrainingJob",
         {"ResourceConfig": {"InstanceGroups": [
             {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
             {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2}]},
          "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}, 3, 3.0),
        # 20 jobs of 2 h on 2 instances, of which 4 run at once for 5 h at most.
        ("CreateHyperParameterTuningJob",
         {"HyperParameterTuningJobConfig": {"ResourceLimits": {
             "MaxNumberOfTrainingJobs": 20, "MaxParallelTrainingJobs": 4,
             "MaxRuntimeInSeconds": 18_000}},
          "TrainingJobDefinition": {
              "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
              "StoppingCondition": {"MaxRuntimeInSeconds": 7200}}}, 8, 40.0),
        ("CreateEndpointConfig",
         {"ProductionVariants": [{"InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 2}],
          "ShadowProductionVariants": [{"InstanceType": "ml.m5.xlarge",
                                        "InitialInstanceCount": 1}]}, 3, None),
        ("CreateEndpointConfig", {"ProductionVariants": [{"ServerlessConfig": {}}]}, 0, None),
    ],
)  # fmt: skip
def test_each_kind_of_request_is_understood(operation, params, instances, hours):
    """A kind that is read as asking for nothing would pass every limit."""
    ask = ask_of(operation, params)
    assert ask.instances == instances
    assert ask.hours == hours


def test_limits_that_let_nothing_run_are_refused_when_they_are_made():
    with pytest.raises(ValueError, match=r"limits\.hours: 0 lets nothing run"):
        Limits(hours=0)
    with pytest.raises(ValueError, match=r"'m5\.large' matches no instance of SageMaker"):
        Limits(instance_types=("m5.large",))


def test_a_resource_carries_it_whole():
    """Dagster makes resources anew from their configuration."""
    guard = Guard(Limits(instance_types=("ml.m5.*",)), {"p": Limits(hours=1.5)}, "s3://l/b", "s3")
    assert Guard.from_json(guard.to_json()) == guard
    assert Guard().to_json() == ""


@pytest.mark.integration
def test_a_step_that_asks_for_too_much_fails_at_once_and_leaves_nothing(
    lab: Lab, instance: dg.DagsterInstance
) -> None:
    """A RetryPolicy that asks again and again; a context that no job will ever read."""
    guarded = lab.fresh(guard=Guard(Limits(instances=1)).to_json())
    spec = lab.spec("greedy", "", instance_count=2)
    policy = dg.RetryPolicy(max_retries=2)
    ended = train(lab.training(guarded), spec, instance=instance, retry_policy=policy)
    assert not ended.success
    assert "2 instances, and 1 are allowed (MLOPS_MAX_INSTANCES)" in str(ended.failure)
    kinds = [event.event_type_value for event in ended.result.all_events]
    assert "STEP_UP_FOR_RETRY" not in kinds
    assert lab.jobs("greedy") == []
    left = [info.uri for info in lab.objects().list("s3://lake/pipes/")]
    assert not [uri for uri in left if "greedy" in uri]


def test_settings_and_declarations_reach_the_client(tmp_path: Path) -> None:
    """A limit that is set, and guards nothing."""
    settings = Settings.load(home=tmp_path, max_instances=3, instance_types="ml.m5.*")
    pipeline = dataclasses.replace(deliveries.declare(), limits=Limits(hours=2))
    guard = Guard.from_json(build_resources(settings, [pipeline])["sagemaker"].guard)
    assert guard.platform == Limits(instances=3, instance_types=("ml.m5.*",))
    assert guard.pipelines == {"deliveries": Limits(hours=2)}
    assert build_resources(Settings.load(home=tmp_path))["sagemaker"].guard == ""
