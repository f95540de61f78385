"""The variant ``network``: the same flights and features, learned by a network instead of trees.

Embeddings and a multi-layer perceptron in torch, on a GPU where there is one: in AWS a machine with
one A10G, by `instance_type` another, with several GPUs by torchrun. Belongs here: what differs from
the pipeline itself. It is not discovered as a pipeline of its own: MLOPS_PIPELINES names it, or
`mlops replay flight_delays --variant network`.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mlops_assets.ml.training_rules.stream import Exploding, Overfitting
from mlops_assets.pipeline import Training
from mlops_assets.pipelines.flight_delays import pipeline as two_hours

_HERE = Path(__file__).parent

pipeline = replace(
    two_hours,
    name="flight_delays_network",
    description="Will this flight arrive 15 minutes late or more? Answered by a network.",
    training=Training(
        script=_HERE / "train_network.py",
        files=(_HERE / "train_rows.py", _HERE / "train_tabular.py"),
        hyperparameters={
            "epochs": 15,
            "patience": 4,
            "batch": 512,
            "layers": 2,
            "width": 256,
            "bins": 12,
            "dropout": 0.5,
            "learning_rate": 0.001,
            "weight_decay": 0.01,
            "seed": 13,
            "nthread": 2,
        },
        metrics={
            "train:logloss": r"train-logloss:(\S+)",
            "validation:logloss": r"validation-logloss:(\S+)",
            "holdout:logloss": r"holdout-logloss:(\S+)",
            "holdout:auc": r"holdout-auc: ([0-9.]+)",
        },
        needs=("torch", "onnxscript"),
        rules=(
            Exploding(metric="train:logloss"),
            Overfitting(train="train:logloss", held_out="validation:logloss", over=6, by=0.25),
        ),
        image="torch",
        instance_type="ml.g5.xlarge",
        alternates=("ml.g6.xlarge",),
        max_runtime=timedelta(hours=1),
    ),
)
