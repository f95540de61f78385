"""A world for the sensor on SageMaker's events: its queue, a registry, an endpoint, failed jobs.

Here: what its tests share. Not here: what must then be so (test_event_sensor.py).
"""

import dataclasses
import json
import time
from typing import Any

import dagster as dg

from mlops_assets.assets.records import RolloutRecord
from mlops_assets.automation.events import NAME
from mlops_assets.definitions import build_defs, build_resources
from mlops_assets.pipeline import Endpoint
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.resources.sagemaker.names import tag_list
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.requests import training_request
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.source import upload_source
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.deliveries import DAYS
from mlops_assets_tests.resources.sagemaker.conftest import Lab, eventually
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import PLACEMENT, package, spec

GROUP = "deliveries"
PIPELINE = dataclasses.replace(deliveries.declare(), approval="manual")
JOBS = dataclasses.replace(PLACEMENT, image_uri="mlops-assets:local")
ENDPOINT = dg.AssetKey([GROUP, "endpoint"])


@dataclasses.dataclass
class World:
    """The sensor, its queue with a dead-letter queue, and the SageMaker that it looks at."""

    settings: Settings
    sqs: Any
    dead: str
    ticked: bool = False

    def __post_init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.defs = build_defs(self.settings, pipelines=[PIPELINE])
        self.resources = build_resources(self.settings)
        self.sagemaker: SageMakerResource = self.resources["sagemaker"]
        self.lab = Lab(self.settings.home, self.sagemaker)

    @property
    def client(self) -> Any:
        return self.sagemaker.client()

    def send(self, kind: str, /, times: int = 1, **detail: Any) -> None:
        """An event, delivered so many times."""
        body = {"id": f"{kind}-{detail}", "source": "aws.sagemaker", "detail": detail,
                "detail-type": f"SageMaker {kind} State Change"}  # fmt: skip
        for _ in range(times):
            self.raw(json.dumps(body))

    def raw(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.settings.events_queue_url, MessageBody=body)

    def deliver_at_most(self, times: int) -> None:
        """Then to the dead-letter queue. Not for every test: on a slow machine a tick outlasts the
        second that a message is hidden for, and what it looks at is delivered again meanwhile."""
        wanted = ["QueueArn"]
        of = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=wanted)["Attributes"]
        redrive = {"deadLetterTargetArn": of["QueueArn"], "maxReceiveCount": times}
        self.sqs.set_queue_attributes(
            QueueUrl=self.settings.events_queue_url,
            Attributes={"RedrivePolicy": json.dumps(redrive)},
        )

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """One tick that remembers nothing of an earlier one; the next delivery is due by then."""
        if self.ticked:
            time.sleep(1.1)  # the queue's visibility timeout
        self.ticked = True
        sensor = self.defs.resolve_sensor_def(NAME)
        needed = {name: self.resources[name] for name in sensor.required_resource_keys}
        with dg.build_sensor_context(
            self.instance, definitions=self.defs, resources=needed
        ) as context:
            ticked = sensor.evaluate_tick(context)
        return list(ticked.run_requests or []), ticked.skip_message or ""

    def waiting(self, url: str = "") -> int:
        found = self.sqs.get_queue_attributes(
            QueueUrl=url or self.settings.events_queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(int(count) for count in found["Attributes"].values())

    def registered(self, as_of: str, name: str) -> ModelPackage:
        archive = registry.describe(self.client, package(self.lab, "archives", name))
        return registry.register(
            self.client, group=GROUP, model_data_url=archive.model_data_url,
            lineage={"as_of": as_of, "name": name}, placement=PLACEMENT,
        )  # fmt: skip

    def approve(self, found: ModelPackage) -> None:
        """As SageMaker Studio does it."""
        self.client.update_model_package(
            ModelPackageArn=found.arn, ModelApprovalStatus="Approved", ApprovalDescription="fine"
        )

    def serve(self, found: ModelPackage) -> str:
        """As a run does it; its configuration."""
        done = deploy(self.client, self.spec(found), poll_s=0.1)
        promotion.mark_champion(self.client, GROUP, found.arn)
        record = RolloutRecord(
            as_of=DAYS[1], package_arn=found.arn, champion_arn=None, config=done.config_name,
            previous_config=done.previous_config, policy="all at once", state="proven",
            started="2024-03-01", run_id="run",
        )  # fmt: skip
        self.resources["store"].save(GROUP, "rollout", "last", record)
        return done.config_name

    def spec(self, found: ModelPackage, **fields: Any) -> Any:
        return spec(GROUP, found.arn, Endpoint(**fields), tags={"mlops:pipeline": GROUP})

    def ran(self, request: dg.RunRequest, **fields: Any) -> None:
        """What Dagster keeps of a run that was asked for."""
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        run = {"job_name": str(request.job_name), "status": dg.DagsterRunStatus.STARTED, **fields}
        self.instance.add_run(dg.DagsterRun(tags=tags, **run))

    def observed(self, key: dg.AssetKey = ENDPOINT) -> list[str]:
        records = self.instance.fetch_observations(key, limit=20).records
        return [str(r.asset_observation.description) for r in records if r.asset_observation]


def failed_job(world: World, name: str, run: dg.DagsterRun) -> str:
    """The name of a training job of a run, which has failed."""
    wanted = dataclasses.replace(
        world.lab.spec(name, f"raise SystemExit('no such luck, {name}')"), pipeline=GROUP
    )
    objects = world.lab.objects()
    code = upload_source(objects, "lake", wanted.source)
    request = training_request(wanted, JOBS, bucket="lake", code_uri=code)
    request["Tags"] += tag_list(run.dagster_execution_info)
    world.client.create_training_job(**request)
    found = request["TrainingJobName"]

    def ended() -> bool:
        described = world.client.describe_training_job(TrainingJobName=found)
        return bool(described["TrainingJobStatus"] == "Failed")

    eventually(ended, f"{found} to fail")
    return str(found)
