"""Station ``hyperparameters``: found by a search, used again until data or code make it stale.

Here: whether to search, on which rows, and what was found. Not here: the search itself
(`resources.sagemaker.tuning`), the rows (`tuning_split`), the page (`hyperparameters_page`).
"""

import dagster as dg

from mlops_assets.assets.from_aws import trainable
from mlops_assets.assets.hyperparameters_page import metadata_of
from mlops_assets.assets.model import training_spec
from mlops_assets.assets.records import HyperparametersRecord, SplitRecord, Trial
from mlops_assets.assets.station import check, key, station
from mlops_assets.assets.training_watch import STATUSES, run_log
from mlops_assets.assets.tuning_split import tuning_dataset
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import Dataset
from mlops_assets.resources.experiments.experiments import Experiments
from mlops_assets.resources.experiments.run_log import Point
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.requests import TrainingSpec
from mlops_assets.resources.sagemaker.tuning import SageMakerTuningClient, Search
from mlops_assets.tuning import Tuning

NAME = "hyperparameters"


def build(pipeline: MLPipeline, tuning: Tuning) -> dg.AssetsDefinition:
    version = search_version(pipeline)

    @station(
        pipeline,
        "hyperparameters",
        description=(
            f"A {tuning.strategy} search of {tuning.jobs} training jobs, to {tuning.goal} "
            f"{tuning.metric}: {', '.join(tuning.ranges)}. Used again until "
            + ("" if tuning.every is None else f"it is {tuning.every} partitions old, or ")
            + "the script or the declaration changes."
        ),
        kinds={"sagemaker"},
        code_version=version,
        deps=[key(pipeline, "splits")],
        pool="sagemaker_training",
        checks=[
            check(
                pipeline,
                "hyperparameters",
                "tuned",
                "What the model is trained with was found by a search of the declared ranges, with "
                "the code of now.",
            )
        ],
    )
    def hyperparameters(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        store: Store,
        tuning_jobs: SageMakerTuningClient,
        experiments: dg.ResourceParam[Experiments],
    ) -> dg.MaterializeResult:
        verdicts, records = {}, []
        for partition in context.partition_keys:
            last = last_search(pipeline, store, partition)
            reason, again = why_search(
                last, version=version, tuning=tuning, age=_age(pipeline, store, last, partition)
            )
            context.log.info(f"{partition}: {reason}")
            if last is None or again:
                split = store.load(SplitRecord, pipeline.name, "splits", partition)
                dataset, held_out = tuning_dataset(pipeline, lake.open(), store, split)
                spec = training_spec(
                    pipeline,
                    partition,
                    dataset_uri=trainable(pipeline, store, dataset.uri),
                    searched={},
                    asset=NAME,
                )
                found = tuning_jobs.run_spec(context=context, spec=spec, tuning=tuning)
                _tell(experiments, pipeline, tuning, spec, split, found)
                record = _record(partition, reason, version, tuning, held_out, dataset, found)
            else:
                record = last.model_copy(update={"as_of": partition, "reason": reason})
            store.save(pipeline.name, "hyperparameters", partition, record)
            records.append(record)
            verdicts[partition] = Verdict(
                record.code_version == version,
                f"{len(record.trials)} training jobs as of {record.searched_as_of}, the best "
                f"{record.metric} {record.best:.4g} on {record.held_out}",
            )
        return dg.MaterializeResult(
            data_version=dg.DataVersion("-".join(r.job_name for r in records)),
            metadata=metadata_of(records[-1], tuning),
            check_results=[combine("tuned", verdicts)],
        )

    return hyperparameters


def search_version(pipeline: MLPipeline) -> str:
    """A digest of what a search depends on besides the rows."""
    training = pipeline.training
    return pipeline.code_version(
        *training.version,
        pipeline.tuning,
        dict(training.hyperparameters),
        training.image,
        pipeline.feature_columns,
        pipeline.label,
    )


def last_search(pipeline: MLPipeline, store: Store, partition: str) -> HyperparametersRecord | None:
    """The newest record of this partition or one before it: a later one would know the future."""
    there = [p for p in store.partitions(pipeline.name, "hyperparameters") if p <= partition]
    for newest in sorted(there, reverse=True):
        try:
            return store.load(HyperparametersRecord, pipeline.name, "hyperparameters", newest)
        except RecordNotFound:
            continue
    return None


def why_search(
    last: HyperparametersRecord | None, *, version: str, tuning: Tuning, age: int
) -> tuple[str, bool]:
    """The reason in words, and whether it is one for a new search.

    Args:
        age: how many partitions the last search is old.
    """
    if last is None:
        return "nothing has been searched yet", True
    if last.code_version != version:
        return (
            f"the script, the columns or the declaration changed since the search as of "
            f"{last.searched_as_of}",
            True,
        )
    if tuning.every is not None and age >= tuning.every:
        return (
            f"the search as of {last.searched_as_of} is {age} partitions old: a new one from "
            f"{tuning.every} on",
            True,
        )
    old = f"{age} partition{'s' if age != 1 else ''} old"
    return f"the search as of {last.searched_as_of} is {old}, and of the same code", False


def _age(
    pipeline: MLPipeline, store: Store, last: HyperparametersRecord | None, partition: str
) -> int:
    if last is None:
        return 0
    splits = store.partitions(pipeline.name, "splits")
    return sum(last.searched_as_of < each <= partition for each in splits)


def _tell(
    experiments: Experiments,
    pipeline: MLPipeline,
    tuning: Tuning,
    spec: TrainingSpec,
    split: SplitRecord,
    found: Search,
) -> None:
    """Each training job of the search as a run of its own, in MLflow."""
    for place, tried in enumerate(found.tried):
        log = run_log(pipeline, spec, split, tried.job_name)
        log.params |= tried.hyperparameters
        log.tags["mlops.search"] = found.name
        recorder = experiments.begin(log)
        if tried.value is not None:
            point = Point(metric=tuning.metric, value=tried.value, at_ms=log.started_ms, step=place)
            recorder.points([point])
        recorder.end(STATUSES.get(tried.status, "FAILED"))


def _record(
    partition: str,
    reason: str,
    version: str,
    tuning: Tuning,
    held_out: str,
    dataset: Dataset,
    found: Search,
) -> HyperparametersRecord:
    return HyperparametersRecord(
        as_of=partition,
        searched_as_of=partition,
        reason=reason,
        hyperparameters=dict(found.best.hyperparameters),
        code_version=version,
        metric=tuning.metric,
        best=found.best.value,
        held_out=held_out,
        dataset_digest=dataset.digest,
        job_name=found.name,
        job_arn=found.arn,
        trials=tuple(
            Trial(
                job_name=tried.job_name,
                status=tried.status,
                hyperparameters=dict(tried.hyperparameters),
                value=tried.value,
                billable_seconds=tried.billable_seconds,
            )
            for tried in found.tried
        ),
    )
