"""Which engine answers for a model directory: a sealed artifact, a user's own inference.py, or,
where that is declared, an XGBoost model that nobody sealed.

Belongs here: the choice, and the proof before the first answer. Does not: answering (handle.py,
inference.py), or several models (pool.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mlops_assets.containers.handle import ArtifactHandler, Handler
from mlops_assets.containers.reply import JSON
from mlops_assets.ml.artifact import manifest
from mlops_assets.ml.artifact.estimator import Device
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.native import UnsealedModel

Engine = Literal["artifact", "xgboost"]
ExtraColumns = Literal["ignore", "refuse"]


def load_handler(
    model: Path,
    *,
    program: str = "inference.py",
    default_accept: str = JSON,
    device: Device = "cpu",
    extra_columns: ExtraColumns = "ignore",
    engine: Engine = "artifact",
) -> Handler:
    """The engine for what the model directory holds, proven by its golden rows.

    `device` is for the model's own graph; inference.py chooses its own. `engine="xgboost"` serves
    features.json and a booster without manifest or golden rows: nothing proves that they fit.

    Raises ArtifactError when the artifact is not what was sealed or answers otherwise, and when
    there is no such device here.
    """
    refuses_extra = extra_columns == "refuse"
    script = model / "code" / program
    if script.is_file():
        if (model / manifest.NAME).exists():
            manifest.verify(model)
        from mlops_assets.containers.inference import InferenceHandler

        return InferenceHandler(script, model, default_accept)
    if engine == "xgboost":
        return ArtifactHandler(UnsealedModel(model), default_accept, refuses_extra=refuses_extra)
    artifact = Artifact.load(model, device)
    artifact.check_golden()
    return ArtifactHandler(
        artifact,
        default_accept,
        refuses_extra=refuses_extra,
        batches=artifact.gains_from_batches(),
    )
