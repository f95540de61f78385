"""What a request may cost at most: no more than can happen, and never less.

Prices in these tests are of prices.json, in USD an hour: ml.m5.xlarge .23, ml.g5.xlarge 1.408.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from mlops_assets.limits import Limits
from mlops_assets.objects import open_objects
from mlops_assets.resources.sagemaker.hosting.cost import prices
from mlops_assets.resources.sagemaker.jobs.ask import Ask, ask_of
from mlops_assets.resources.sagemaker.jobs.guard import Guard, LimitExceeded
from mlops_assets.resources.sagemaker.jobs.ledger import Entry, Ledger
from mlops_assets.resources.sagemaker.session import SageMakerResource

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
CHEAP, DEAR = "ml.m5.xlarge", "ml.g5.xlarge"
USD = {name: prices().instances[name].usd for name in (CHEAP, DEAR)}


def on(*configs: tuple[str, int], alternates: bool = True, hours: float = 1) -> dict[str, Any]:
    """A search's definition of jobs."""
    each = [{"InstanceType": name, "InstanceCount": count} for name, count in configs]
    where: dict[str, Any] = (
        {"HyperParameterTuningResourceConfig": {"InstanceConfigs": each}}
        if alternates
        else {"ResourceConfig": {"InstanceGroups": each}}
    )
    return {**where, "StoppingCondition": {"MaxRuntimeInSeconds": int(3600 * hours)}}


def search(*definitions: dict[str, Any], jobs: int = 10, **limits: int) -> Ask:
    resources = {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": 2, **limits}
    return ask_of(
        "CreateHyperParameterTuningJob",
        {
            "HyperParameterTuningJobConfig": {"ResourceLimits": resources},
            "TrainingJobDefinitions": list(definitions),
        },
    )


def test_of_alternates_the_dearest_counts_and_only_once() -> None:
    """Ten jobs are ten jobs: counted as if each alternate ran them all, a budget that suffices
    refuses the search."""
    both = search(on((CHEAP, 1), (DEAR, 1)))
    assert both.usd == pytest.approx(10 * USD[DEAR])
    assert both.usd == search(on((DEAR, 1))).usd
    assert both.instances == 2
    assert both.hours == 10
    assert both.types == [DEAR, CHEAP], "each must be allowed"


def test_what_runs_together_is_counted_together() -> None:
    """Negative control: groups of one cluster are no alternates, and all of them are paid."""
    together = search(on((CHEAP, 1), (DEAR, 2), alternates=False))
    assert together.usd == pytest.approx(10 * (USD[CHEAP] + 2 * USD[DEAR]))
    assert together.instances == 6
    assert together.hours == 30


def test_the_greatest_is_taken_of_each_figure() -> None:
    """Many cheap instances break the limit on instances, one dear one the budget."""
    mixed = search(on((CHEAP, 4), (DEAR, 1)))
    assert mixed.instances == 8
    assert mixed.hours == 40
    assert mixed.usd == pytest.approx(10 * max(4 * USD[CHEAP], USD[DEAR]))


def test_no_mixture_of_definitions_costs_more() -> None:
    """A long cheap definition and a short dear one: bounded each by itself, the greater of the two
    is less than what a search of both can cost."""
    long, short = on((CHEAP, 1), hours=100), on((DEAR, 1), hours=7)
    asked = search(long, short, MaxRuntimeInSeconds=50 * 3600)
    # 2 at once for 50 h: 9 jobs on the dear one, and on the cheap one for what is left of it.
    possible = 9 * 7 * USD[DEAR] + (2 * 50 - 9 * 7) * USD[CHEAP]
    each = [search(one, MaxRuntimeInSeconds=50 * 3600).usd for one in (long, short)]
    assert asked.usd >= possible
    assert max(each) < asked.usd == pytest.approx(2 * 50 * USD[DEAR])


SCALING = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/flight-delays/variant/live",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    "MinCapacity": 1,
    "MaxCapacity": 4,
}


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"platform": Limits(instances=3)}, "4 instances, and 3 are allowed"),
        ({"pipelines": {"flight_delays": Limits(instances=2)}}, "and 2 are allowed"),
        ({"platform": Limits(instances=4, instance_types=("ml.m5.*",))}, ""),
        ({"platform": Limits(instances=9), "pipelines": {"other": Limits(instances=1)}}, ""),
    ],
)
def test_a_fleet_grows_by_itself_only_as_far_as_the_limit(
    limits: dict[str, Any], refused: str
) -> None:
    """One instance at first, twenty by night: the configuration that was checked says one."""
    guard = Guard(**limits)
    scaling: Any = boto3.client(
        "application-autoscaling", region_name="us-east-1", aws_access_key_id="x",
        aws_secret_access_key="x",
    )  # fmt: skip
    sent = []
    name = "before-send.application-auto-scaling.RegisterScalableTarget"
    scaling.meta.events.register(name, lambda **_: sent.append(1) or _accepted())
    guard.watch(scaling)
    # Before a rollout begins, too: the request itself comes when the model serves already.
    resource = SageMakerResource(guard=guard.to_json())
    if refused:
        for ask in (
            lambda: scaling.register_scalable_target(**SCALING),
            lambda: resource.require_allowed("RegisterScalableTarget", SCALING),
        ):
            with pytest.raises(LimitExceeded) as error:
                ask()
            assert refused in str(error.value.description)
    else:
        scaling.register_scalable_target(**SCALING)
        resource.require_allowed("RegisterScalableTarget", SCALING)
    assert len(sent) == (not refused)


def _accepted() -> AWSResponse:
    raw = io.BytesIO(b"{}")
    raw.stream = lambda *_, **__: iter([b"{}"])  # type: ignore[attr-defined]
    return AWSResponse("https://x", 200, {}, raw)


def a(usd: float, at: dt.datetime = NOW) -> Entry:
    return Entry(operation="CreateTrainingJob", job="a", at=at, usd=usd)


def no_job(_: Entry) -> float:
    return math.nan


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(open_objects(f"dir:{tmp_path}"), "s3://lake/budget")


@pytest.mark.parametrize("usd", [[1.0, 5.0], [5.0, 1.0], [5.0, 5.0]])
def test_alternates_of_a_training_count_once_and_as_the_dearest(
    ledger: Ledger, usd: list[float]
) -> None:
    """A type without quota is refused, and its alternate is asked for under the same name: the
    first one's price would stand for a job on the second."""
    for each in usd:
        ledger.put_aside("p", a(each))
    assert ledger.spent("p", NOW, no_job) == 5.0


def test_a_name_that_is_asked_again_counts_again(ledger: Ledger) -> None:
    """Refused, waited for, and had after an hour: taken for the request that was refused, it would
    have cost nothing."""
    ledger.put_aside("p", a(1.0))
    later = NOW + dt.timedelta(hours=1)
    assert ledger.put_aside("p", a(1.0, later)) == a(1.0)
    assert ledger.spent("p", later, no_job) == 1.0
    # The same, after somebody else had settled what was refused.
    last = later + dt.timedelta(hours=1)
    assert ledger.spent("p", last, no_job) == 0.0
    ledger.put_aside("p", a(1.0, last))
    assert ledger.spent("p", last, no_job) == 1.0


def test_what_the_budget_refuses_leaves_the_entry_that_was_there(ledger: Ledger) -> None:
    """A job that goes on, asked for again by another run when the day is spent: it would go on
    uncounted."""
    ledger.put_aside("p", a(1.0))
    before = ledger.put_aside("p", a(2.0))
    ledger.give_back("p", a(2.0), before)
    assert ledger.spent("p", NOW, lambda _: None) == 1.0
