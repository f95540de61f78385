"""The monitors' figures in CloudWatch: each version of a partition once, unknown never as healthy.

CloudWatch is moto's over HTTP, which keeps metrics and alarms and evaluates none.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.drifting.records import DriftRecord, Finding
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Interval
from mlops_assets.automation.figures import of_record
from mlops_assets.definitions import build_assets, build_defs, build_resources
from mlops_assets.pipeline import Alerts, DeclarationError
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.aws_server import aws_server, environment
from mlops_assets_tests.deliveries import DAYS

GROUP, NAMESPACE = "deliveries", "mlops_assets/tests"
ABOVE = {"DriftStatus": 1.5, "FreshnessHours": 30.0}


def drift(status: str, **fields: Any) -> DriftRecord:
    moved = Finding(kind="drift", column="weight", effect=0.4, threshold=0.06, words="moved")
    return DriftRecord(
        partition=DAYS[1], baseline=DAYS[0], rows=40, baseline_rows=40, effects={},
        package_arn=None, **{"baseline_kind": "champion", "matters": 0.25, "findings": (moved,),
                             "status": status, **fields},
    )  # fmt: skip


def performance(status: str) -> PerformanceRecord:
    return PerformanceRecord(
        partition=DAYS[1], versions={"1": 40}, captured=40, labelled=10, expected=40,
        status=status, metrics={"auc": Interval(value=0.8, low=0.7, high=0.9),
                                "lift": Interval(value=float("nan"), low=0, high=0)},
        estimate={"auc": 0.82}, held_out={}, lines=(),
    )  # type: ignore[arg-type]  # fmt: skip


def test_the_figures_of_each_record():
    assert of_record(drift("failing")) == {
        "DriftedColumns": 1.0, "DriftedImportance": 0.25, "DriftStatus": 2.0,
    }  # fmt: skip
    assert of_record(performance("warning")) == {
        "Performance.auc": 0.8, "Estimate.auc": 0.82, "LabelledShare": 0.25,
        "PerformanceStatus": 1.0,
    }  # fmt: skip
    skew = SkewRecord(partition="p", captured=9, offline=9, compared=8, different_rows=2,
                      columns={}, status="healthy", words="")  # fmt: skip
    assert of_record(skew) == {"SkewShare": 0.25, "SkewStatus": 0.0}


def test_unknown_is_no_number():
    """Row 39: as 0 it would look healthy; and CloudWatch refuses NaN."""
    assert "DriftStatus" not in of_record(drift("unknown"))
    bare = drift("unknown", baseline_kind="none", findings=(), matters=None)
    assert of_record(bare) == {}
    assert "PerformanceStatus" not in of_record(performance("unknown"))


def test_an_alarm_on_what_is_not_sent_is_refused():
    """It would say INSUFFICIENT_DATA for ever, and nobody would look."""
    with pytest.raises(DeclarationError, match="'Drift' is no metric that the monitors send"):
        Alerts(above={"Drift": 1})
    Alerts(above={"Performance.rmse": 12.0})


class World:
    """The sensor, over a lake with a day of parcels and the record of its drift."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings.load(home=home, metrics_namespace=NAMESPACE)
        self.pipeline = dataclasses.replace(deliveries.declare(), alerts=Alerts(above=ABOVE))
        self.instance = dg.DagsterInstance.ephemeral()
        # CloudWatch where the environment says; SageMaker is not asked.
        self.resources = {**build_resources(self.settings), "sagemaker": SageMakerResource()}
        self.cloudwatch = boto3.client("cloudwatch")

    def materialize(self) -> None:
        stations = ("raw", "clean", "quarantine", "features")
        assert dg.materialize(
            build_assets(self.pipeline), partition_key=DAYS[1], instance=self.instance,
            selection=[dg.AssetKey([GROUP, name]) for name in stations],
            resources=self.resources,
        ).success  # fmt: skip

    def tick(self) -> str:
        defs = build_defs(self.settings, pipelines=[self.pipeline])
        sensor = defs.resolve_sensor_def(f"{GROUP}_metrics")
        needed = {name: self.resources[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(self.instance, definitions=defs, resources=needed) as context:
            return str(sensor.evaluate_tick(context).skip_message)

    def sent(self, name: str) -> dict[str, float]:
        now = dt.datetime.now(dt.UTC)
        found = self.cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE, MetricName=name, Period=86_400,
            Dimensions=[{"Name": "Pipeline", "Value": GROUP}],
            StartTime=now - dt.timedelta(days=1), EndTime=now + dt.timedelta(days=1),
            Statistics=["SampleCount", "Maximum"],
        )["Datapoints"]  # fmt: skip
        return {
            k: v for point in found for k, v in point.items() if k in ("SampleCount", "Maximum")
        }

    def alarms(self) -> set[str]:
        found = self.cloudwatch.describe_alarms(AlarmNamePrefix="mlops-")["MetricAlarms"]
        return {alarm["AlarmName"] for alarm in found}


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture
def world(aws_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in environment(aws_url).items():
        monkeypatch.setenv(name, value)
    return World(tmp_path)


@pytest.mark.integration
def test_each_version_of_a_partition_is_told_once(world: World) -> None:
    """Told at each tick, a figure of one day would weigh as often as the daemon has looked."""
    world.materialize()
    store = world.resources["store"]
    store.save(GROUP, "drift", DAYS[1], drift("warning"))
    assert world.tick() == f"2 versions of partitions were told to {NAMESPACE}."
    assert world.tick() == f"0 versions of partitions were told to {NAMESPACE}."
    assert world.sent("DriftedColumns") == {"SampleCount": 1.0, "Maximum": 1.0}
    assert world.sent("Rows")["Maximum"] == 40.0
    assert world.sent("QuarantinedShare") == {"SampleCount": 1.0, "Maximum": 0.0}
    assert world.sent("FreshnessHours")["SampleCount"] == 2.0, "a gauge: at each tick"
    store.save(GROUP, "drift", DAYS[1], drift("failing"))
    world.tick()
    assert world.sent("DriftStatus") == {"SampleCount": 2.0, "Maximum": 2.0}
    names = {m["MetricName"] for m in world.cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]}
    dimensions = {d["Name"] for m in world.cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]
                  for d in m["Dimensions"]}  # fmt: skip
    assert dimensions == {"Pipeline"}, "one by partition would be a new metric each day"
    assert "DriftStatus" in names


@pytest.mark.integration
def test_the_declared_alarms_are_there_and_no_others(world: World) -> None:
    """One that was taken out of the declaration, and still wakes people."""
    world.cloudwatch.put_metric_alarm(
        AlarmName="mlops-deliveries-other-monitor-drift-status", MetricName="x", Namespace="y",
        Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    world.tick()
    own = {f"mlops-deliveries-monitor-{kind}" for kind in ("drift-status", "freshness-hours")}
    foreign = {"mlops-deliveries-other-monitor-drift-status"}
    assert world.alarms() == own | foreign
    (alarm,) = world.cloudwatch.describe_alarms(
        AlarmNames=["mlops-deliveries-monitor-freshness-hours"]
    )["MetricAlarms"]
    assert alarm["TreatMissingData"] == "breaching", "when nobody looks, that is the alarm"
    world.pipeline = dataclasses.replace(world.pipeline, alerts=Alerts(above={"DriftStatus": 1.5}))
    world.tick()
    assert world.alarms() == {"mlops-deliveries-monitor-drift-status"} | foreign


def test_without_a_namespace_there_is_no_sensor(tmp_path: Path) -> None:
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[deliveries.declare()])
    assert f"{GROUP}_metrics" not in [sensor.name for sensor in defs.sensors or []]
