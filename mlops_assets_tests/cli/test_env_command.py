"""A branch's environment: made, used, removed; and whatever is not its own stays as it is.

Bucket and catalog are moto's over HTTP, SageMaker is the local API; and once all on this machine.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest

from mlops_assets.cli import environments
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.world import World, console
from mlops_assets.definitions import build_defs, build_placement
from mlops_assets.pipelines import declared
from mlops_assets.resources.environments import things
from mlops_assets.resources.environments.storage import Tables
from mlops_assets.resources.lake.catalog import open_catalog
from mlops_assets.resources.lake.core import Lake
from mlops_assets.resources.monitoring.monitor_metrics import MonitorMetrics
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.serving import Endpoint
from mlops_assets.settings import Settings, SettingsError
from mlops_assets_tests.aws_server import aws_server, environment
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import package, spec

BUCKET = "lake-of-all"
ROWS = pd.DataFrame({"x": [1, 2]})


class Site:
    """AWS, with things of production, of environments pr1 and pr12, and decoys."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def client(self) -> Any:
        return self.lab.sagemaker.client()

    def settings(self, name: str = "") -> Settings:
        return Settings.load(environment=name)

    def serve(self, group: str, name: str) -> None:
        """An endpoint with all that belongs to it, tagged as of an environment."""
        made = spec(group, package(self.lab, group, group), Endpoint())
        placement = dataclasses.replace(
            made.placement, tags=dict(build_placement(self.settings(name)).tags)
        )
        deploy(self.client, dataclasses.replace(made, placement=placement), poll_s=0.1)
        arn = self.client.describe_model_package_group(ModelPackageGroupName=group)[
            "ModelPackageGroupArn"
        ]
        tags = [{"Key": k, "Value": v} for k, v in placement.tags.items()]
        if tags:
            self.client.add_tags(ResourceArn=arn, Tags=tags)

    def write(self, name: str, table: str) -> None:
        """A table, and an object beside it."""
        settings = self.settings(name)
        Lake.open(settings.lake_catalog).write(table, "all", ROWS)
        world = World(settings)
        world.store.open().write(f"s3://{settings.lake_bucket}/records/x.json", b"{}")

    def everything(self) -> dict[str, set[str]]:
        """All that there is, by name."""
        tables = {
            ".".join(name)
            for (namespace,) in open_catalog(self.settings().lake_catalog).list_namespaces()
            for name in open_catalog(self.settings().lake_catalog).list_tables(namespace)
        }
        keys = [o["Key"] for o in boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
        groups = self.client.list_model_package_groups()["ModelPackageGroupSummaryList"]
        alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return {
            "alarms": {alarm["AlarmName"] for alarm in alarms},
            "endpoints": {e["EndpointName"] for e in self.client.list_endpoints()["Endpoints"]},
            "models": {m["ModelName"] for m in self.client.list_models()["Models"]},
            "groups": {g["ModelPackageGroupName"] for g in groups},
            "tables": tables,
            "folders": {"/".join(key.split("/")[:2]) for key in keys},
        }


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture
def site(aws_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    home = tmp_path / "sagemaker"
    lab = Lab(tmp_path, SageMakerResource(
        local_home=str(home), local_objects=f"dir:{tmp_path / 'buckets'}"))  # fmt: skip
    url = lab.sagemaker.client().meta.endpoint_url
    variables = {
        **environment(aws_url), "AWS_ENDPOINT_URL_SAGEMAKER": url, "MLOPS_ENV": "aws",
        "MLOPS_BUCKET": BUCKET, "MLOPS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs",
        "MLOPS_IMAGE_URI": "i", "MLOPS_SUBNETS": "subnet-1", "MLOPS_SECURITY_GROUPS": "sg-1",
        "MLOPS_KMS_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/1",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield Site(lab)
    lifecycle.stop(home)


def said(call: Any, *arguments: Any, **options: Any) -> str:
    with console.capture() as captured:
        call(*arguments, **options)
    return captured.get()


@pytest.mark.integration
def test_what_is_removed_is_the_environments_own_and_nothing_else(site: Site) -> None:
    """A merge that takes production's endpoint, or a colleague's tables, with it."""
    assert "environment pr1 is made" in said(environments.create, "pr1")
    assert "was there already" in said(environments.create, "pr1")
    environments.create("pr12")
    for group, name in (("pr1-flights", "pr1"), ("pr1-decoy", "")):
        site.serve(group, name)
    for name, table in (("pr1", "pr1_flights.clean"), ("pr12", "pr12_flights.clean"),
                        ("", "pr1_decoy.clean")):  # fmt: skip
        site.write(name, table)
    for slug in ("pr1-flight-delays", "flight-delays"):
        alarm = MonitorMetrics("tests").alarms(slug, slug, {"DriftStatus": 1.5})
        boto3.client("cloudwatch").put_metric_alarm(**alarm[0])
    before = site.everything()
    told = said(environments.delete, "pr1", yes=False)
    assert "would remove endpoint pr1-flights" in told
    assert "would remove table pr1_flights.clean" in told
    assert "decoy" not in told
    assert "pr12" not in told
    assert "Nothing was removed." in told
    assert site.everything() == before

    assert "environment pr1 is gone" in said(environments.delete, "pr1", yes=True)
    after = site.everything()
    gone = {kind: before[kind] - after[kind] for kind in before}
    assert gone["endpoints"] == {"pr1-flights"}
    assert gone["groups"] == {"pr1-flights"}
    assert gone["tables"] == {"pr1_flights.clean"}
    assert gone["alarms"] == {"mlops-pr1-flight-delays-monitor-drift-status"}
    assert gone["folders"] == {"environments/pr1"}
    assert all(model.startswith("pr1-flights") for model in gone["models"])
    assert all(after[kind] <= before[kind] for kind in before)
    with pytest.raises(CommandError, match="there is no environment pr1: nothing has its name"):
        environments.delete("pr1", yes=True)


@pytest.mark.integration
def test_names_alone_and_tags_alone_would_take_others_things(site: Site) -> None:
    """Negative control of the test above: each of the two conditions by itself finds a decoy."""
    for group, name in (("pr1-decoy", ""), ("decoy", "pr1")):
        site.serve(group, name)
    endpoints = site.client.list_endpoints()["Endpoints"]
    by_name = [e["EndpointName"] for e in endpoints if e["EndpointName"].startswith("pr1-")]
    by_tag = [e["EndpointName"] for e in endpoints
              if things._tag(site.client, e["EndpointArn"]) == "pr1"]  # fmt: skip
    assert by_name == ["pr1-decoy"]
    assert by_tag == ["decoy"]
    assert list(things.find(site.client, "pr1")) == []
    site.write("", "pr1_decoy2.clean")
    assert list(Tables(site.settings("pr1").lake_catalog, "pr1").find()) == []


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[None]:
    """Deleting asks SageMaker what there is: here the local API, which is started for it."""
    yield
    lifecycle.stop(tmp_path / "sagemaker")


@pytest.mark.integration
@pytest.mark.usefixtures("resting")
def test_on_this_machine_it_has_a_folder_and_a_lake_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    assert "export MLOPS_ENVIRONMENT=pr1" in said(environments.create, "pr1")
    for name, table in (("pr1", "pr1_flights.clean"), ("", "flights.clean")):
        settings = Settings.load(environment=name)
        Lake.open(settings.lake_catalog).write(table, "all", ROWS)
        World(settings).store.open().write(f"s3://{settings.lake_bucket}/records/x", b"{}")
    environments.delete("pr1", yes=True)
    assert not (tmp_path / "environments" / "pr1").exists()
    ours = Settings.load()
    assert Lake.open(ours.lake_catalog).partitions("flights.clean") == ["all"]
    assert World(ours).store.open().exists(f"s3://{ours.lake_bucket}/records/x")
    assert not list(World(ours).store.open().list("s3://mlops-local/environments/"))


def test_the_same_pipelines_are_other_assets_endpoints_and_tables(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path, environment="pr1")
    (flights,) = [p for p in declared((), "pr1") if p.name == "pr1_flight_delays"]
    assert (flights.slug, flights.table("clean")) == (
        "pr1-flight-delays", "pr1_flight_delays.clean",
    )  # fmt: skip
    assert build_placement(settings).tags["mlops:environment"] == "pr1"
    keys = {key.path[0] for key in build_defs(settings).resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"pr1_{pipeline.name}" for pipeline in declared()}


def test_a_branch_does_not_take_everybodys_events(tmp_path: Path) -> None:
    """A message is taken once: production would never hear of its approvals."""
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/events"
    for name, listens in (("", True), ("pr1", False)):
        defs = build_defs(Settings.load(home=tmp_path, environment=name, events_queue_url=url))
        assert ("sagemaker_events" in [s.name for s in defs.sensors or []]) is listens


@pytest.mark.parametrize("name", ["Pr1", "../x", "a_b", "a" * 17, "1pr", "pr-1", "pr1\n"])
def test_a_name_is_letters_and_digits(name: str) -> None:
    with pytest.raises(SettingsError, match="MLOPS_ENVIRONMENT"):
        environments.create(name)


def test_a_name_that_a_pipeline_begins_with_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment `flight` would own pipeline flight_delays, by its names."""
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    with pytest.raises(CommandError, match="pipeline flight_delays begins with it"):
        environments.create("flight")
    with pytest.raises(CommandError, match="an environment has a name"):
        environments.delete("", yes=True)
