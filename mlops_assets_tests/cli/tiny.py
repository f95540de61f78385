"""The diabetes pipeline as a module that MLOPS_PIPELINES can name."""

import dataclasses
import os
from pathlib import Path

from mlops_assets.rollouts import ABTest, AllAtOnce
from mlops_assets.serving import Endpoint
from mlops_assets_tests.diabetes import declare

declared = declare(Path(os.environ.get("TINY_CSV", "not-set")))
parameters = {
    **declared.training.hyperparameters,
    "num_boost_round": int(os.environ.get("TINY_ROUNDS", "60")),
}
rollout = ABTest() if os.environ.get("TINY_ROLLOUT") == "ab" else AllAtOnce()
pipeline = dataclasses.replace(
    declared,
    endpoint=Endpoint(rollout=rollout),
    training=dataclasses.replace(declared.training, hyperparameters=parameters),
    approval=os.environ.get("TINY_APPROVAL", "auto"),
)
