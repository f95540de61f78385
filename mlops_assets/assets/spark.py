"""A data station on Spark: what its job is asked, and its answer shown.

Here: from a partition's place in the lake to a task, the job that does it, and its metadata. Not
here: where that runs (`spark_places`), what the job does (`mlops_assets.spark`), what is thought of
its figures (`verdicts`).
"""

import base64
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pandas as pd

from mlops_assets.assets.preview import sample
from mlops_assets.assets.spark_places import engine_of, require_image, workers_of
from mlops_assets.engines import EMRServerless
from mlops_assets.pipeline import DeclarationError, MLPipeline
from mlops_assets.resources.emr.client import PipesEMRServerlessJobClient
from mlops_assets.resources.emr.requests import SparkSpec, spark_request
from mlops_assets.resources.lake.errors import PartitionNotFound
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.lake.staged import Staged
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.processing import PipesSageMakerProcessingClient
from mlops_assets.resources.sagemaker.processing_request import (
    ROOT,
    ProcessingSpec,
    processing_request,
)
from mlops_assets.resources.sagemaker.source import upload_files
from mlops_assets.spark.task import Answer, Input, Reason, Task

_PROGRAM = Path(__file__).parent.parent / "spark" / "program.py"
_OUTPUTS = {"clean": ("clean", "quarantine"), "features": ("features",)}


@dataclass(frozen=True)
class SparkJob:
    """The job of one station for the partitions of a run."""

    pipeline: MLPipeline
    station: Literal["clean", "features"]
    lake: LakeResource
    store: Store
    processing: PipesSageMakerProcessingClient
    serverless: PipesEMRServerlessJobClient

    def inputs(
        self,
        table: str,
        partitions: Sequence[str],
        history: Mapping[str, Sequence[str]] | None = None,
    ) -> tuple[Input, ...]:
        """What each partition is made of, as it is now; PartitionNotFound where it is not there."""
        lake = self.lake.open()
        name = self.pipeline.table(table)
        before = history or {}
        found = []
        for partition in partitions:
            read = [partition, *before.get(partition, ())]
            snapshot = lake.last_change(name, read) if lake.exists(name) else None
            if snapshot is None or lake.partition_snapshot(name, partition) is None:
                known = lake.partitions(name) if lake.exists(name) else []
                raise PartitionNotFound(name, [partition], known)
            outputs = [self.pipeline.table(station) for station in _OUTPUTS[self.station]]
            found.append(
                Input(
                    partition=partition,
                    snapshot=snapshot,
                    history=tuple(before.get(partition, ())),
                    standing=tuple(lake.partition_snapshot(out, partition) for out in outputs),
                )
            )
        return tuple(found)

    def run(
        self, context: dg.AssetExecutionContext, inputs: Sequence[Input]
    ) -> tuple[Answer, Mapping[str, Any]]:
        """The answer of the job that makes ``inputs``, and metadata of the job; the one that does
        so already is adopted."""
        local = self.store.objects != "s3"
        require_image(self.pipeline, local=local)
        workers = workers_of(self.pipeline, local=local, there=bool(self.serverless.application))
        module = module_of(self.pipeline)
        made_by = (self.pipeline.clean, self.pipeline.features, self.pipeline.raw_schema,
                   self.pipeline.feature_schema, self.pipeline.engine)  # fmt: skip
        task = Task(
            station=self.station,
            module=module,
            pipeline=self.pipeline.name,
            code_version=self.pipeline.code_version(*made_by),
            catalog=dict(self.lake.catalog),
            inputs=tuple(inputs),
            # In AWS the image has what is declared; on this machine a checkout may lie anywhere.
            paths=(_root(module),) if local else (),
        )
        data = task.model_dump_json().encode()
        folder = self.store.uri(
            "processing", self.pipeline.name, self.station, hashlib.sha256(data).hexdigest()[:32]
        )
        # The job writes files below the tables, which it may neither make nor change.
        for output in _OUTPUTS[self.station]:
            self.lake.open().prepare(self.pipeline.table(output))
        objects = self.store.open()
        objects.write_if_absent(f"{folder}/task/task.json", data)
        code_uri = upload_files(objects, self.store.bucket, [_PROGRAM])
        if workers is None:
            metadata = self._on_processing(context, folder, code_uri)
        else:
            metadata = self._on_emr(context, folder, code_uri, workers)
        answer = Answer.model_validate_json(objects.read(f"{folder}/answer/answer.json"))
        return answer, metadata

    def _on_processing(
        self, context: dg.AssetExecutionContext, folder: str, code_uri: str
    ) -> Mapping[str, Any]:
        # The lake is read and written by the job itself, which its network has to reach.
        placement = replace(self.processing.placement, network_isolation=False)
        request = processing_request(
            spark_spec(self.pipeline, self.station, folder), placement, code_uri=code_uri
        )
        done = self.processing.run(context=context, create_processing_job_params=request)
        return done.metadata

    def _on_emr(
        self,
        context: dg.AssetExecutionContext,
        folder: str,
        code_uri: str,
        workers: EMRServerless,
    ) -> Mapping[str, Any]:
        spec = SparkSpec(
            name=f"{self.pipeline.slug}-{self.station}-spark",
            program_uri=f"{code_uri}/{_PROGRAM.name}",
            arguments=(f"{folder}/task/task.json", f"{folder}/answer/answer.json"),
            workers=workers,
            max_runtime_s=engine_of(self.pipeline).max_runtime_s,
            tags=_tags(self.pipeline, self.station),
        )
        request = spark_request(spec, self.serverless.application)
        return self.serverless.run(context=context, start_job_run_params=request).metadata


def spark_spec(pipeline: MLPipeline, station: str, folder: str) -> ProcessingSpec:
    """The Processing job that does the task in ``folder``, and answers there."""
    engine = engine_of(pipeline)
    return ProcessingSpec(
        name=f"{pipeline.slug}-{station}-spark",
        source=[_PROGRAM],
        program=_PROGRAM.name,
        inputs={"task": f"{folder}/task"},
        outputs={"answer": f"{folder}/answer"},
        arguments=(f"{ROOT}/input/task/task.json", f"{ROOT}/output/answer/answer.json"),
        image_uri=engine.image_uri,
        instance_type=engine.instance_type,
        volume_gb=engine.volume_gb,
        max_runtime_s=engine.max_runtime_s,
        tags=_tags(pipeline, station),
    )


def _tags(pipeline: MLPipeline, station: str) -> dict[str, str]:
    return {"mlops:pipeline": pipeline.name, "mlops:asset": station}


def module_of(pipeline: MLPipeline) -> str:
    """The module that a job imports the pipeline from.

    Raises:
        DeclarationError: none has it as ``pipeline``.
    """
    found = [name for name, module in list(sys.modules.items())
             if vars(module).get("pipeline") is pipeline]  # fmt: skip
    if not found:
        raise DeclarationError(
            "engine",
            f"no module has {pipeline.name!r} as `pipeline`, and a job has to import it",
            "Assign the MLPipeline to that name in the module that MLOPS_PIPELINES names",
        )
    # Others may have imported it from the one that it is declared in.
    return min(found, key=lambda name: (not pipeline.clean.__module__.startswith(name), len(name)))


def _root(module: str) -> str:
    """The folder from which a loaded module is imported."""
    path = Path(str(sys.modules[module].__file__))
    above = module.count(".") + (path.name == "__init__.py")
    return str(path.parents[above])


def reasons(found: Sequence[Reason]) -> pd.DataFrame:
    """As `checks.rows.failure_summary` has them."""
    return pd.DataFrame(
        [reason.model_dump() for reason in found], columns=["column", "rule", "rows"]
    )


def shown(rows: str, staged: Staged, pipeline: MLPipeline) -> dg.MarkdownMetadataValue:
    """The sample that a job took of what it made."""
    from mlops_assets.resources.lake.frames import to_pandas
    from mlops_assets.spark.blobs import unpack

    frame = to_pandas(unpack(base64.b64decode(rows)), staged.dtypes)
    return sample(frame, hide=pipeline.personal)
