"""Diabetes with a seed that matters, on spot instances: a module that MLOPS_PIPELINES can name."""

import dataclasses
import os
from pathlib import Path

from mlops_assets_tests.diabetes import declare

declared = declare(Path(os.environ.get("SEEDED_CSV", "not-set")), name="seeded")
pipeline = dataclasses.replace(
    declared,
    training=dataclasses.replace(
        declared.training,
        script=Path(__file__).with_name("seeded_train.py"),
        files=(declared.training.script,),
        hyperparameters={**declared.training.hyperparameters, "subsample": 0.5, "seed": 3},
        use_spot=True,
    ),
)
