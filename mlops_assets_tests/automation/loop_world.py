"""A world for the sensors of the loop: real lake, store, registry and endpoint, records by hand.

Here: what tests of several sensors share. Training and judging are other tests' business.
"""

import dataclasses
import datetime as dt
from typing import Any

import dagster as dg

from mlops_assets.assets.monitoring.drifting.records import DriftRecord, Finding
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.automation.learnable import training_code
from mlops_assets.definitions import build_assets, build_defs, build_resources
from mlops_assets.pipeline import Endpoint, MLPipeline, Retraining
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.endpoints import deploy
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.deliveries import DAYS
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import PLACEMENT, package, spec

GROUP = "deliveries"
EAGER = Retraining(
    on=("drift", "performance", "freshness", "code", "labels"),
    pause=dt.timedelta(0),
    stale_after=2,
)


def declare(**fields: Any) -> MLPipeline:
    fields = {"retraining": EAGER, **fields}
    return dataclasses.replace(deliveries.declare(), endpoint=Endpoint(capture_share=1.0), **fields)


@dataclasses.dataclass
class LoopWorld:
    """A pipeline, and everything that its sensors look at."""

    settings: Settings
    pipeline: MLPipeline = dataclasses.field(default_factory=declare)
    instance: dg.DagsterInstance = dataclasses.field(default_factory=dg.DagsterInstance.ephemeral)

    def __post_init__(self) -> None:
        self.defs = build_defs(self.settings, pipelines=[self.pipeline])
        self.resources = build_resources(self.settings)
        self.lab = Lab(
            self.settings.home,
            SageMakerResource(
                local_home=str(self.settings.sagemaker_home), local_objects=self.settings.objects
            ),
        )

    def like(self, **fields: Any) -> "LoopWorld":
        """Another daemon over the same lake and store, with no memory; or another declaration."""
        pipeline = dataclasses.replace(self.pipeline, **fields)
        return LoopWorld(self.settings, pipeline)

    @property
    def store(self) -> Store:
        return self.resources["store"]

    @property
    def lake(self) -> Any:
        return self.resources["lake"].open()

    @property
    def client(self) -> Any:
        return self.lab.sagemaker.client()

    def features(self, *days: str) -> None:
        """Brings days of parcels through the data stations."""
        stations = ("raw", "clean", "quarantine", "features")
        for day in days:
            done = dg.materialize(
                build_assets(self.pipeline),
                selection=[dg.AssetKey([GROUP, name]) for name in stations],
                resources=self.resources,
                partition_key=day,
                instance=self.instance,
            )
            assert done.success

    def champion(self, as_of: str, **lineage: str) -> ModelPackage:
        """A model that serves, trained as of a day."""
        name = f"{as_of}{len(lineage)}"
        archive = registry.describe(self.client, package(self.lab, "archives", name))
        found = registry.register(
            self.client, group=GROUP, model_data_url=archive.model_data_url,
            lineage={"as_of": as_of, "name": name, "code_version": self.code, **lineage},
            status="Approved", placement=PLACEMENT,
        )  # fmt: skip
        self.serve(found)
        return found

    def serve(self, found: ModelPackage) -> None:
        deploy(self.client, spec(GROUP, found.arn, Endpoint()), poll_s=0.1)
        promotion.mark_champion(self.client, GROUP, found.arn)

    @property
    def code(self) -> str:
        training = self.pipeline.training
        assert training_code(self.pipeline)
        return self.pipeline.code_version(training.script, *training.files)

    def drifted(self, day: str, champion: ModelPackage, matters: float, *broken: Finding) -> None:
        moved = Finding(kind="drift", column="weight", effect=0.4, threshold=0.06, words="moved")
        record = DriftRecord(
            partition=day, baseline=DAYS[0], baseline_kind="champion", package_arn=champion.arn,
            rows=40, baseline_rows=40, status="warning", matters=matters,
            findings=(moved, *broken), effects={"weight": 0.4}, profile_snapshot=1,
        )  # fmt: skip
        self.store.save(GROUP, "drift", day, record)

    def performed(self, day: str, version: int, status: str, **fields: Any) -> None:
        record = PerformanceRecord(
            partition=day, versions={str(version): 40}, captured=40,
            labelled=fields.pop("labelled", 40), expected=40, status=status,  # type: ignore[arg-type]
            metrics={}, estimate=fields.pop("estimate", {}), held_out={}, lines=(), **fields,
        )  # fmt: skip
        self.store.save(GROUP, "performance", day, record)

    def tick(self, sensor: str, instance: dg.DagsterInstance | None = None) -> Any:
        """One tick, told of no earlier one: run requests, and why there is none."""
        found = self.defs.resolve_sensor_def(f"{GROUP}_{sensor}")
        needed = {name: self.resources[name] for name in found.required_resource_keys}
        with dg.build_sensor_context(
            instance or self.instance, definitions=self.defs, resources=needed
        ) as context:
            ticked = found.evaluate_tick(context)
        return list(ticked.run_requests or []), str(ticked.skip_message or "")

    def started(
        self,
        request: dg.RunRequest,
        status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
        instance: dg.DagsterInstance | None = None,
        job: str = f"{GROUP}_retraining",
    ) -> str:
        """What Dagster keeps of a run that was asked for."""
        run = dg.DagsterRun(
            job_name=job,
            status=status,
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
        )
        (instance or self.instance).add_run(run)
        return run.run_id
