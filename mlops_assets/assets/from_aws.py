"""What the platform does around an image of AWS's: the rows as it reads them, the artifact sealed.

Here: CSV for an algorithm, and what the platform's own image would have done at a training's end.
Not here: the job (`model`), the encoding and its files (`ml.artifact.one_hot`).
"""

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mlops_assets.assets.artifacts import fetch, put
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.records import Store

if TYPE_CHECKING:
    from mlops_assets.ml.artifact.spec import FeatureSpec

FEATURES = "features.json"
_MODELS = {"xgboost": "xgboost-model"}
_ROWS_AT_ONCE = 20_000


def trainable(pipeline: MLPipeline, store: Store, dataset_uri: str) -> str:
    """The dataset as the training reads it: itself for a script; for an algorithm its ``train`` and
    ``holdout`` encoded, as CSV without a header, the label first.

    It is written once: its address follows from the rows, which follow from ``dataset_uri``.
    """
    if pipeline.training.algorithm is None:
        return dataset_uri
    objects = store.open()
    train = read_split(objects, dataset_uri, "train")
    spec = _spec(pipeline, train)
    told = json.dumps(spec.to_json(), sort_keys=True).encode()
    digest = hashlib.sha256(dataset_uri.encode() + b"\0" + told).hexdigest()[:16]
    uri = store.uri("datasets", pipeline.name, "encoded", digest)
    if not objects.exists(f"{uri}/{FEATURES}"):
        for name, rows in (("train", train), ("holdout", None)):
            part = read_split(objects, dataset_uri, name) if rows is None else rows
            objects.write(f"{uri}/{name}/part-0.csv", _csv(pipeline, spec, part))
        objects.write(f"{uri}/{FEATURES}", told)  # last: without it the dataset is not there
    return uri


def sealed_artifact(
    pipeline: MLPipeline, store: Store, dataset_uri: str, job: dict[str, Any]
) -> str:
    """The address of a completed job's artifact, sealed: by the platform's image, or by this.

    Raises:
        dagster.Failure: it cannot be sealed; the message says what does not fit.
    """
    uri: str = job["ModelArtifacts"]["S3ModelArtifacts"]
    if pipeline.training.from_aws is None:
        return uri
    # ONNX Runtime is not needed to load the code location.
    from mlops_assets.ml.artifact import manifest, one_hot, seal

    algorithm = pipeline.training.algorithm
    target = store.uri("artifacts", pipeline.name, job["TrainingJobName"], "model.tar.gz")
    try:
        with fetch(store, uri) as directory:
            if algorithm is not None:
                train = read_split(store.open(), dataset_uri, "train")
                rows = read_split(store.open(), dataset_uri, "holdout")
                model = _MODELS[algorithm.partition(":")[0]]
                one_hot.complete(directory, model, _spec(pipeline, train), rows)
            if not (directory / manifest.NAME).is_file():
                seal.seal(directory, training=_training(pipeline, job))
            put(store, directory, target)
    except ArtifactError as error:
        raise dg.Failure(
            f"{job['TrainingJobName']} left a model that cannot be served: {error}",
            allow_retries=False,
        ) from error
    return target


def _spec(pipeline: MLPipeline, train: pd.DataFrame) -> "FeatureSpec":
    from mlops_assets.ml.artifact.one_hot import one_hot_spec

    label = pipeline.label
    rows = train[list(pipeline.feature_columns)]
    return one_hot_spec(rows, label=label.column, kind=label.kind, classes=label.classes)


def _csv(pipeline: MLPipeline, spec: "FeatureSpec", rows: pd.DataFrame) -> bytes:
    from mlops_assets.ml.artifact.one_hot import encoded

    text = io.BytesIO()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows.iloc[start : start + _ROWS_AT_ONCE]
        numbers = pd.DataFrame(encoded(spec, part))
        numbers.insert(0, "label", part[pipeline.label.column].to_numpy(dtype="float32"))
        # Nine digits tell every float32 from the next: what is read is what was encoded.
        numbers.to_csv(text, header=False, index=False, float_format="%.9g")
    return text.getvalue()


def _training(pipeline: MLPipeline, job: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of the training."""
    given = {k: v for k, v in job["HyperParameters"].items() if not k.startswith("sagemaker_")}
    return {
        "script": pipeline.training.program,
        "image": job["AlgorithmSpecification"]["TrainingImage"],
        "hyperparameters": given,
        "seed": given.get("seed"),
    }
