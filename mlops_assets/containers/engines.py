"""Which engine answers for a model directory: a sealed artifact, or a user's own inference.py.

Belongs here: the choice, and the proof before the first answer. Does not: answering (handle.py,
inference.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mlops_assets.containers.handle import ArtifactHandler, Handler
from mlops_assets.containers.reply import JSON
from mlops_assets.ml.artifact import manifest
from mlops_assets.ml.artifact.estimator import Device
from mlops_assets.ml.artifact.load import Artifact

ExtraColumns = Literal["ignore", "refuse"]


def load_handler(
    model: Path,
    *,
    program: str = "inference.py",
    default_accept: str = JSON,
    device: Device = "cpu",
    extra_columns: ExtraColumns = "ignore",
) -> Handler:
    """The engine for what the model directory holds, proven by its golden rows.

    Raises ArtifactError when the artifact is not what was sealed or answers otherwise.
    """
    script = model / "code" / program
    if script.is_file():
        if (model / manifest.NAME).exists():
            manifest.verify(model)
        from mlops_assets.containers.inference import InferenceHandler

        return InferenceHandler(script, model, default_accept)
    artifact = Artifact.load(model, device)
    artifact.check_golden()
    return ArtifactHandler(artifact, default_accept, refuses_extra=extra_columns == "refuse")
