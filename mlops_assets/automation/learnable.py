"""Is there anything new to learn? From the lake and the records of the last training.

Here: the newest partition to train as of, and whether a training would only repeat one. Not here:
whether anybody asks for a training (`evidence`), nor what is decided (`deciding`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_assets.assets.monitoring.quality.staleness import known_pairs
from mlops_assets.assets.records import ModelRecord, SplitRecord
from mlops_assets.automation.deciding import Gain
from mlops_assets.checks.label_flips import label_flips
from mlops_assets.ml.performance.staleness import expected_gain
from mlops_assets.ml.splitting import training_window
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets.resources.sagemaker.requests import encode_hyperparameters

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

# Share of the model's importance below which a column is none that could spoil a training.
TRIFLE = 0.01
# A partition counts as labelled from this share of its rows on: the first labels to come are no
# fair sample of all.
LABELLED_SHARE = 0.5
# Of how many of the partitions that the champion knows the labels are compared with what they are.
COMPARED = 3
SCRIPT = "the training script or its files"


def featured(pipeline: MLPipeline, lake: "Lake") -> list[str]:
    """The partitions that have features, in order."""
    table = pipeline.table("features")
    return sorted(lake.partitions(table)) if lake.exists(table) else []


def newest_labelled(pipeline: MLPipeline, lake: "Lake", partitions: Sequence[str]) -> str | None:
    """The newest partition whose features have their labels; None where none has."""
    table, label = pipeline.table("features"), pipeline.label.column
    for partition in reversed(partitions):
        values = lake.read(table, [partition], columns=[label])[label]
        if len(values) and values.notna().mean() >= LABELLED_SHARE:
            return partition
    return None


def nothing_new(
    pipeline: MLPipeline, store: Store, lake: "Lake", as_of: str, champion: ModelPackage
) -> str:
    """Why a training as of a partition would only repeat one; empty where it would not."""
    known = champion.lineage.get("as_of", "")
    if known > as_of:
        return f"the newest labelled partition is {as_of}, and the champion knows {known}"
    try:
        model = store.load(ModelRecord, pipeline.name, "model", as_of)
        split = store.load(SplitRecord, pipeline.name, "splits", as_of)
    except RecordNotFound:
        return ""
    trained = (
        model.dataset_digest == split.digest
        and split.features_snapshot == _snapshot(pipeline, lake, as_of)
        and not _differences(pipeline, model.code_version, model.hyperparameters)
    )
    if not trained:
        return ""
    own = champion.lineage.get("artifact_digest") == model.artifact_digest
    whose = "the champion" if own else "a model that is not the champion"
    return (
        f"{whose} was trained as of {as_of} on these rows with this code: "
        "there is nothing new to learn"
    )


def changed_labels(pipeline: MLPipeline, store: Store, lake: "Lake", champion: ModelPackage) -> str:
    """What is wrong with the labels that the champion was trained on, now; empty: nothing.

    A label that was learned from and is another one now is a correction, or somebody's poison.
    """
    uri, table = champion.lineage.get("split_uri"), pipeline.table("features")
    if uri is None:
        return ""
    split = SplitRecord.model_validate_json(store.open().read(uri))
    learned = [*dict.fromkeys([*split.train_partitions, split.as_of])][-COMPARED:]
    there = [p for p in learned if p in featured(pipeline, lake)]
    if lake.last_change(table, there) == split.features_snapshot:
        return ""
    names = [*pipeline.entity_key, pipeline.label.column, *pipeline.evaluation.slices]
    columns = list(dict.fromkeys(names))
    found = label_flips(
        lake.read(table, there, snapshot_id=split.features_snapshot, columns=columns),
        lake.read(table, there, columns=columns),
        key=pipeline.entity_key,
        label=pipeline.label.column,
        slices=pipeline.evaluation.slices,
    )
    return "" if found.passed else f"{there[0]} to {there[-1]}: {found.description}"


def training_code(pipeline: MLPipeline) -> str:
    """A digest of what a training runs: script, files, hyperparameters or where they are sought."""
    return digest_of([_script(pipeline), _declared(pipeline), repr(pipeline.tuning)])[:16]


def code_changes(pipeline: MLPipeline, store: Store, champion: ModelPackage) -> list[str]:
    """What of the training is not as the champion was trained."""
    try:
        model = store.load(ModelRecord, pipeline.name, "model", champion.lineage.get("as_of", ""))
    except RecordNotFound:
        model = None
    if model and model.artifact_digest == champion.lineage.get("artifact_digest"):
        return _differences(pipeline, model.code_version, model.hyperparameters)
    # Its record is gone, or another model's since: of the champion the script alone is known.
    code = champion.lineage.get("code_version")
    return [SCRIPT] if code and code != _script(pipeline) else []


def gain_of_training(
    pipeline: MLPipeline, store: Store, partitions: Sequence[str], as_of: str, known: str
) -> Gain | None:
    """What the as-of back-test expects of a model as of a partition; None where nobody knows.

    Args:
        known: the partition that the champion is as of.
    """
    # On the partition after ``as_of``, the first that the new model would serve.
    age = 1 + sum(known < partition <= as_of for partition in partitions)
    pairs = known_pairs(pipeline, store)
    found = expected_gain(pairs, age=age, metric=pipeline.evaluation.primary)
    if found is None:
        return None
    return Gain(found.gain.value, found.gain.low, found.gain.high, found.pairs)


def _script(pipeline: MLPipeline) -> str:
    return pipeline.code_version(*pipeline.training.version)


def _declared(pipeline: MLPipeline) -> dict[str, str]:
    return encode_hyperparameters(pipeline.training.told(pipeline.label))


def _differences(
    pipeline: MLPipeline, code_version: str, hyperparameters: dict[str, str]
) -> list[str]:
    found = [] if code_version == _script(pipeline) else [SCRIPT]
    declared = _declared(pipeline)
    then = {k: v for k, v in hyperparameters.items() if not k.startswith("sagemaker_")}
    # What a search finds is no change of the code, though each search may find something else.
    searched = pipeline.tuning.ranges if pipeline.tuning else {}
    names = sorted(k for k in {*declared, *then} - {*searched} if declared.get(k) != then.get(k))
    return [*found, *(f"hyperparameter {name}" for name in names)]


def _snapshot(pipeline: MLPipeline, lake: "Lake", as_of: str) -> int | None:
    """The snapshot that a split as of the partition would be made from, as `splits` does it."""
    table = pipeline.table("features")
    there = lake.partitions(table)
    window = training_window(
        sorted({*there, *pipeline.source.partitions()}), as_of, pipeline.split.window
    )
    return lake.last_change(table, [*(p for p in window if p in there), as_of])
